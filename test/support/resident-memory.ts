import { readFileSync } from 'node:fs'

/** What a process holds in memory (VmRSS, proc(5)), in megabytes. */
export function resident(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}

/** Looks every 20 ms until called. @returns the most megabytes seen resident */
export function watchResident(pid: number): () => number {
  let most = resident(pid)
  const timer = setInterval(() => {
    most = Math.max(most, resident(pid))
  }, 20)
  return () => {
    clearInterval(timer)
    return most
  }
}
