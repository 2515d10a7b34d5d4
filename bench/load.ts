import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'
import { cpuMicroseconds, identity, readWrk } from './requests.ts'

/** The program under test runs on this processor, the load generator on the other one. */
const serverProcessor = '0'
const loadProcessor = '1'

export type Measurement = Readonly<{ requestsPerSecond: number; cpuPerRequest: number }>

const run = promisify(execFile)

/** Pins all threads of a running process to the server's processor. */
export function pin(pid: number): void {
  execFileSync('taskset', ['-a', '-p', '-c', serverProcessor, String(pid)], { stdio: 'ignore' })
}

/** Sends load to `url` with wrk. @returns requests per second, and the processor time of `pid` per request in microseconds */
export async function load(url: string, pid: number, seconds: number): Promise<Measurement> {
  const before = cpuMicroseconds(pid)
  const headers = Object.entries(identity).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const args = ['-c', loadProcessor, 'wrk', '-t1', '-c32', `-d${seconds}`, ...headers, url]
  const { stdout } = await run('taskset', args)
  const after = cpuMicroseconds(pid)
  const requests = readWrk(url, stdout)
  const [, rate] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? []
  if (rate === undefined) throw new Error(`wrk printed no rate:\n${stdout}`)
  return { requestsPerSecond: Number(rate), cpuPerRequest: (after - before) / requests }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

/** `median (min–max)` */
export function formatMedian(values: readonly number[], digits = 2): string {
  const [min, max] = [Math.min(...values), Math.max(...values)]
  return `${median(values).toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`
}

/** Prints the rate and processor time of each program, and their ratios to the first program's in the same round. */
export function report(results: ReadonlyMap<string, readonly Measurement[]>): void {
  const [base = []] = results.values()
  for (const [name, measured] of results) {
    const rate = measured.map((one) => one.requestsPerSecond)
    const cpu = measured.map((one) => one.cpuPerRequest)
    const rateRatio = rate.map((one, i) => one / base[i]!.requestsPerSecond)
    const cpuRatio = cpu.map((one, i) => base[i]!.cpuPerRequest / one)
    console.log(
      `${name.padEnd(30)} ${formatMedian(rate, 0)} req/s, ratio ${formatMedian(rateRatio)}; ${formatMedian(cpu, 1)} µs cpu/req, ratio ${formatMedian(cpuRatio)}`,
    )
  }
}
