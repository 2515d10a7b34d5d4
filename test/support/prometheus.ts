import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort } from './port.ts'
import { skipWithoutPrograms } from './skip.ts'

export type Series = Readonly<{ metric: Readonly<Record<string, string>>; value: number }>
export type Alert = Readonly<{ name: string; state: string; labels: Readonly<Record<string, string>>; error: string }>

export type Prometheus = Readonly<{
  /** Evaluates an expression. Rejects with Prometheus' message if it is invalid. */
  query: (expression: string) => Promise<readonly Series[]>
  /** All alerting rules, with their state (inactive, pending, firing) and the error of their last evaluation. */
  alerts: () => Promise<readonly Alert[]>
  stop: () => Promise<void>
}>

/** The reason to skip tests that need Prometheus and promtool, or false. Throws if one is missing and REQUIRE_PROMETHEUS=1. */
export function skipWithoutPrometheus(): string | false {
  return skipWithoutPrograms(['prometheus', 'promtool'], 'REQUIRE_PROMETHEUS')
}

/** Runs promtool. `output` is standard output, then standard error. */
export function runPromtool(args: readonly string[], input = ''): Readonly<{ code: number | null; output: string }> {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' })
  return { code: status, output: `${stdout}${stderr}` }
}

/** Starts Prometheus on a free port. It scrapes `/elastauth/metrics` of each URL every 500 ms as the job `elastauth`. */
export async function startPrometheus(urls: readonly string[], rulesFile: string): Promise<Prometheus> {
  const address = `127.0.0.1:${await findFreePort()}`
  const directory = await mkdtemp(join(tmpdir(), 'elastauth-prometheus-'))
  const file = join(directory, 'prometheus.yml')
  await writeFile(file, JSON.stringify(configurationFor(urls, rulesFile))) // JSON is YAML
  const flags = [`--config.file=${file}`, `--storage.tsdb.path=${directory}/data`, `--web.listen-address=${address}`]
  const child = spawn('prometheus', [...flags, '--log.level=error'], { stdio: ['ignore', 'inherit', 'inherit'] })
  await waitUntilReady(address, child)

  async function get(path: string): Promise<unknown> {
    const response = await fetch(`http://${address}/api/v1/${path}`)
    const body = (await response.json()) as { data: unknown; error?: string }
    if (body.error !== undefined) throw new Error(body.error)
    return body.data
  }

  return Object.freeze({
    async query(expression: string) {
      const { result } = (await get(`query?query=${encodeURIComponent(expression)}`)) as {
        result: { metric: Record<string, string>; value: [time: number, value: string] }[]
      }
      return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }))
    },
    async alerts() {
      const { groups } = (await get('rules?type=alert')) as {
        groups: { rules: { name: string; state: string; labels: Record<string, string>; lastError?: string }[] }[]
      }
      return groups.flatMap(({ rules }) =>
        rules.map(({ name, state, labels, lastError = '' }) => ({ name, state, labels, error: lastError })),
      )
    },
    async stop() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  })
}

function configurationFor(urls: readonly string[], rulesFile: string): object {
  const targets = urls.map((url) => new URL(url).host)
  return {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' },
    rule_files: [rulesFile],
    scrape_configs: [{ job_name: 'elastauth', metrics_path: '/elastauth/metrics', static_configs: [{ targets }] }],
  }
}

async function waitUntilReady(address: string, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`prometheus exited with ${child.exitCode}`)
    const response = await fetch(`http://${address}/-/ready`).catch(() => undefined)
    if (response?.ok) return
    await sleep(20)
  }
}
