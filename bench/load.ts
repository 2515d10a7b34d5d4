import { execFile, execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'

/** The program under test runs on this processor, the load on the other one. */
const serverProcessor = '0'
const loadProcessor = '1'

export const identityHeaders = [
  'Remote-User: testuser',
  'Remote-Groups: admins,users',
  'Remote-Email: test@example.com',
]

export type Measured = Readonly<{ requestsPerSecond: number; cpuPerRequest: number }>

const run = promisify(execFile)

/** Pins a process that runs already (all its threads) to the server's processor. */
export function pin(pid: number, processor = serverProcessor): void {
  execFileSync('taskset', ['-a', '-p', '-c', processor, String(pid)], { stdio: 'ignore' })
}

/** The same for what makes the load. */
export function pinLoad(pid: number): void {
  pin(pid, loadProcessor)
}

/** Loads `url` by wrk for some seconds. @returns requests per second, and microseconds of processor time that `pid` spent on each */
export async function load(
  url: string,
  pid: number,
  seconds: number,
  requestHeaders: readonly string[] = identityHeaders,
): Promise<Measured> {
  const before = cpuMicroseconds(pid)
  const headers = requestHeaders.flatMap((header) => ['-H', header])
  const args = ['-c', loadProcessor, 'wrk', '-t1', '-c32', `-d${seconds}`, ...headers, url]
  const { stdout } = await run('taskset', args)
  const after = cpuMicroseconds(pid)
  const [, requests] = /(\d+) requests in/.exec(stdout) ?? []
  const [, rate] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? []
  if (requests === undefined || rate === undefined || stdout.includes('Non-2xx'))
    throw new Error(`wrk said:\n${stdout}`)
  return { requestsPerSecond: Number(rate), cpuPerRequest: (after - before) / Number(requests) }
}

/** Time that a process has spent on processors, all threads, in microseconds: what process.cpuUsage() tells it of itself. */
function cpuMicroseconds(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const nanoseconds = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  )
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1000
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

export function spread(values: readonly number[], digits = 2): string {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return `${median(values).toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`
}

/** A line for each that was measured by turns: its rate and processor time, and both beside the first one's of the same round. */
export function report(results: ReadonlyMap<string, readonly Measured[]>): void {
  const [base = []] = results.values()
  for (const [name, measured] of results) {
    const rate = measured.map((one) => one.requestsPerSecond)
    const cpu = measured.map((one) => one.cpuPerRequest)
    const rateRatio = rate.map((one, i) => one / base[i]!.requestsPerSecond)
    const cpuRatio = cpu.map((one, i) => base[i]!.cpuPerRequest / one)
    console.log(
      `${name.padEnd(30)} ${spread(rate, 0)} req/s, ratio ${spread(rateRatio)}; ${spread(cpu, 1)} µs cpu/req, ratio ${spread(cpuRatio)}`,
    )
  }
}
