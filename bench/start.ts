/**
 * Processor time (user and system) from the start to the first response, for a new user, and of `elastauth health`, as
 * ratios to `node -e 0` in the same round; and the memory at rest. `npm run build && node bench/start.ts [rounds]`
 */

import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { authorize, startGatewayFor } from '../test/support/gateway.ts'
import { residentMegabytes } from '../test/support/resident-memory.ts'
import { formatMedian } from './load.ts'
import { cpuMicroseconds } from './requests.ts'

const rounds = Number(process.argv[2] ?? 9)
const programs = {
  'dist/main.cjs': new URL('../dist/main.cjs', import.meta.url).pathname,
  'src/main.ts': new URL('../src/main.ts', import.meta.url).pathname,
}
const fakeElasticsearch = createFakeElasticsearch()
const node = { url: await fakeElasticsearch.listen(), username: 'elastic', password: 'changeme' }
const figures = new Map<string, number[]>()

await runRound(() => {}) // fills the disk cache
for (let round = 1; round <= rounds; round++)
  await runRound((name, value) => figures.set(name, [...(figures.get(name) ?? []), value]))
await fakeElasticsearch.close()

for (const [name, values] of figures) console.log(`${name.padEnd(50)} ${formatMedian(values, 1)}`)

async function runRound(add: (name: string, value: number) => void): Promise<void> {
  for (const [name, main] of Object.entries(programs)) {
    const before = measureCommand(['-e', '0'])
    const { start, health, megabytes } = await measureGateway(main)
    const empty = (before + measureCommand(['-e', '0'])) / 2
    add('node -e 0, ms', empty)
    add(`${name}: start to first response, ms`, start)
    add(`${name}: start to first response, ratio`, start / empty)
    add(`${name} health, ms`, health)
    add(`${name} health, ratio`, health / empty)
    add(`${name}: resident at rest, MB`, megabytes)
  }
}

async function measureGateway(main: string) {
  const gateway = await startGatewayFor(node, { main })
  const { status } = await authorize(gateway, `user-${Math.random()}`)
  const start = cpuMicroseconds(gateway.process.pid!) / 1000
  if (status !== 200) throw new Error(`status ${status}`)
  const health = measureCommand([main, 'health', '--listen', new URL(gateway.url).host])
  await sleep(1000)
  const megabytes = residentMegabytes(gateway.process.pid!)
  await gateway.stop()
  return { start, health, megabytes }
}

/** The processor time of a command of Node until it exits, in milliseconds, as Bash measures it. */
function measureCommand(args: readonly string[]): number {
  const script = 'TIMEFORMAT="%U %S"; time "$@"'
  const { status, stderr } = spawnSync('bash', ['-c', script, 'bash', process.execPath, ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  const [user = 0, system = 0] = stderr.trim().split(/\s+/).slice(-2).map(Number)
  return 1000 * (user + system)
}
