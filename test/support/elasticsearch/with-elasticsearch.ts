/**
 * Runs a command with one node for all of its processes, named to them by ELASTICSEARCH_URL, _USERNAME, _PASSWORD.
 *   node test/support/elasticsearch/with-elasticsearch.ts -- COMMAND [ARGS]
 * Ends the node afterwards and exits as the command did. Where no node can be had, says why and runs the command
 * without; with REQUIRE_ELASTICSEARCH=1 fails instead.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { startSharedNode } from './shared-node.ts'

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
const [command, ...args] = process.argv.slice(process.argv[2] === '--' ? 3 : 2)
if (!command) {
  console.error('usage: node with-elasticsearch.ts -- COMMAND [ARGS]')
  process.exit(2)
}

let forward: (signal: NodeJS.Signals) => void = (signal) => process.exit(128 + constants.signals[signal]) // the exit ends a starting node
for (const signal of signals) process.on(signal, () => forward(signal))

const node = await startSharedNode()
const code = await run(command, args, node?.environment ?? {})
await node?.stop()
process.exit(code)

async function run(command: string, args: string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...environment } })
  forward = (signal) => void child.kill(signal)
  child.once('error', (error) => {
    console.error(`cannot run ${command}: ${error.message}`)
    resolve(127)
  })
  child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
  return promise
}
