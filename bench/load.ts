import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

/** The program under test runs on this processor, the load on the other one. */
export const serverProcessor = '0'
const loadProcessor = '1'

export const identityHeaders = [
  'Remote-User: testuser',
  'Remote-Groups: admins,users',
  'Remote-Email: test@example.com',
]

export type Measured = Readonly<{ requestsPerSecond: number; cpuPerRequest: number }>

const run = promisify(execFile)

/** Pins a process that runs already (all its threads) to the server's processor. */
export function pin(pid: number): void {
  execFileSync('taskset', ['-a', '-p', '-c', serverProcessor, String(pid)], { stdio: 'ignore' })
}

/** Loads `url` by wrk for some seconds. @returns requests per second, and microseconds of processor time that `pid` spent on each */
export async function load(url: string, pid: number, seconds: number): Promise<Measured> {
  const before = cpuMicroseconds(pid)
  const headers = identityHeaders.flatMap((header) => ['-H', header])
  const args = ['-c', loadProcessor, 'wrk', '-t1', '-c32', `-d${seconds}`, ...headers, url]
  const { stdout } = await run('taskset', args)
  const after = cpuMicroseconds(pid)
  const [, requests] = /(\d+) requests in/.exec(stdout) ?? []
  const [, rate] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? []
  if (requests === undefined || rate === undefined || stdout.includes('Non-2xx'))
    throw new Error(`wrk said:\n${stdout}`)
  return { requestsPerSecond: Number(rate), cpuPerRequest: (after - before) / Number(requests) }
}

/** User and system time of a process, all threads, in microseconds (proc(5), fields 14 and 15 in ticks of 10 ms). */
function cpuMicroseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

export function spread(values: readonly number[], digits = 2): string {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return `${median(values).toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`
}
