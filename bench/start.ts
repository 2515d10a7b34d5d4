/** Processor time (user and system) of the start and of `elastauth health`, beside `node -e 0`; and the memory at rest. */
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { residentMegabytes } from '../test/support/resident-memory.ts'
import type { Bench, Case, Figures, Program } from './harness.ts'
import { builtProgram, type Flags, quiet, startElastauth, startFakeElasticsearch } from './programs.ts'
import { cpuMicroseconds, identity, sendAll } from './requests.ts'

const empty = 'node -e 0'
const time = 'processor time, ms'
const resident = 'resident memory at rest, MB'
const run = promisify(execFile)

export const startCase: Case = {
  name: 'start',
  title: 'The start, the health check and the memory at rest',
  rounds: 9,
  prepare,
}

async function prepare(bench: Bench): Promise<Program[]> {
  const { node } = await startFakeElasticsearch(bench)
  const { port } = await startElastauth(bench, { ...node, ...quiet })
  const health = [builtProgram, 'health', '--listen', `127.0.0.1:${port}`]
  const runs = bench.size(5, 1)
  return [
    { name: empty, measure: async () => ({ [time]: await measureCommand(['-e', '0'], runs) }) },
    {
      name: 'elastauth, start to first response',
      measure: () => measureStart(bench, node),
      goals: [
        { metric: time, to: empty, atMost: 6 },
        { metric: resident, atMost: 85 },
      ],
    },
    {
      name: 'elastauth health',
      measure: async () => ({ [time]: await measureCommand(health, runs) }),
      goals: [{ metric: time, to: empty, atMost: 2.5 }],
    },
  ]
}

/** The first response is for a new user. */
async function measureStart({ size }: Bench, node: Flags): Promise<Figures> {
  await using cleanup = new AsyncDisposableStack()
  const { url, pid } = await startElastauth({ cleanup }, node)
  await sendAll(url, [{ ...identity, 'Remote-User': `user-${Math.random()}` }])
  const milliseconds = cpuMicroseconds(pid) / 1000
  await sleep(size(1000, 100))
  return { [time]: milliseconds, [resident]: residentMegabytes(pid) }
}

/** The mean processor time of a command of Node until it exits, in milliseconds, as Bash measures it. Throws if the command fails. */
async function measureCommand(args: readonly string[], runs: number): Promise<number> {
  const script = `TIMEFORMAT='%U %S'; time for ((i = 0; i < ${runs}; i++)); do "$@" || exit; done`
  const { stderr } = await run('bash', ['-c', script, 'bash', process.execPath, ...args], {
    env: { PATH: process.env.PATH }, // without NODE_COMPILE_CACHE and NODE_OPTIONS
  })
  const [user, system] = stderr.trim().split(/\s+/).slice(-2).map(Number)
  return (1000 * (user! + system!)) / runs
}
