/**
 * Elasticsearch with two elastauths in front of it (more with `--proxy`, `--oidc`), until ^C: `npm run demo`.
 * What they are told is in authelia.yml, static.yml, proxy.yml and oidc.yml, beside this file.
 */
import { createLog } from '../../src/observability/log.ts'
import { parseArguments, usage } from './arguments.ts'
import { startBackend } from './backend.ts'
import { describeDemo } from './describe.ts'
import { startGateway } from './gateway.ts'

const { help, proxy, oidc, fault, elasticsearch } = parseArguments(process.argv.slice(2))
if (help || fault !== undefined) {
  if (fault !== undefined) console.error(`demo: ${fault}`)
  const print = help ? console.log : console.error
  print(usage)
  process.exit(help ? 0 : 2)
}

/** What to end, the last started first. */
const running: { close: () => Promise<void> }[] = []
const log = createLog({ level: 'warn', format: 'text' })

let isReady = false
let isEnding = false
// npm passes ^C on to us, which the terminal has sent us already: the second one is no further wish.
process.on('SIGINT', end)
process.on('SIGTERM', end)

try {
  const backend = await startBackend(elasticsearch)
  running.push(backend)
  const headers = await startGateway({ file: 'authelia.yml', port: 5000, backend, log })
  running.push(headers)
  const fixed = await startGateway({ file: 'static.yml', port: 5001, backend, log })
  running.push(fixed)
  const through = proxy ? await startGateway({ file: 'proxy.yml', port: 5002, backend, log }) : undefined
  if (through) running.push(through)
  // Loaded only here: it is a dependency of the tests.
  const login = oidc ? await (await import('./login.ts')).startLogin({ backend, log }) : undefined
  if (login) running.push(login)
  console.log(
    describeDemo({ backend, headers: headers.url, fixed: fixed.url, through: through?.url, login: login?.url }),
  )
  isReady = true
} catch (error) {
  console.error(`demo: ${(error as Error).message}`)
  await closeAll()
  process.exit(1)
}

async function end(): Promise<void> {
  if (isEnding) return
  isEnding = true
  if (isReady) {
    console.log('\nEnding …')
    await closeAll()
  }
  process.exit(0) // while Elasticsearch is still starting: our exit takes it along
}

async function closeAll(): Promise<void> {
  for (const { close } of running.reverse()) await close()
}
