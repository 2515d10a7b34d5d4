import { readFileSync } from 'node:fs'

/** What a process holds in memory (VmRSS, proc(5)), in megabytes. */
export function residentMegabytes(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}

/** Looks every 20 ms until called. @returns the most megabytes seen resident */
export function trackPeakResidentMegabytes(pid: number): () => number {
  let most = residentMegabytes(pid)
  const timer = setInterval(() => {
    most = Math.max(most, residentMegabytes(pid))
  }, 20)
  return () => {
    clearInterval(timer)
    return most
  }
}
