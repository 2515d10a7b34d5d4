import { readFileSync } from 'node:fs'

/** The resident memory of a process (VmRSS, proc(5)), in megabytes. */
export function residentMegabytes(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}

/** Samples the resident memory every 20 ms. @returns a function that stops, and returns the maximum in megabytes */
export function trackPeakResidentMegabytes(pid: number): () => number {
  let peak = residentMegabytes(pid)
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMegabytes(pid))
  }, 20)
  return () => {
    clearInterval(timer)
    return peak
  }
}
