/**
 * Runs a command with one node for all of its processes, which ELASTICSEARCH_URL, _USERNAME and _PASSWORD name to them.
 *   node test/support/elasticsearch/with-elasticsearch.ts -- COMMAND [ARGS]
 * Stops the node afterwards and exits with the command's exit code. If no node is available, prints the reason and runs the
 * command without one; with REQUIRE_ELASTICSEARCH=1 fails instead.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { compileCache } from '../compile-cache.ts'
import { startSharedNode } from './shared-node.ts'

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
const [command, ...args] = process.argv.slice(process.argv[2] === '--' ? 3 : 2)
if (!command) {
  console.error('usage: node with-elasticsearch.ts -- COMMAND [ARGS]')
  process.exit(2)
}

let forward: (signal: NodeJS.Signals) => void = (signal) => process.exit(128 + constants.signals[signal]) // the exit also ends a node that is still starting
for (const signal of signals) process.on(signal, () => forward(signal))

const node = await startSharedNode()
const code = await run(command, args, node?.environment ?? {})
await node?.stop()
process.exit(code)

async function run(command: string, args: string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  const child = spawn(command, args, { stdio: 'inherit', env: { ...compileCache, ...process.env, ...environment } })
  forward = (signal) => void child.kill(signal)
  child.once('error', (error) => {
    console.error(`cannot run ${command}: ${error.message}`)
    resolve(127)
  })
  child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
  return promise
}
