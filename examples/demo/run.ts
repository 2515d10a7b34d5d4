/**
 * `npm run demo`: Elasticsearch with two instances of elastauth (more with `--proxy`, `--oidc`, `--login`), until Ctrl+C.
 * Their configuration is in authelia.yml, static.yml, proxy.yml, oidc.yml and users.yml in this directory.
 */
import { createLog } from '../../src/observability/log.ts'
import { parseArguments, usage } from './arguments.ts'
import { startBackend } from './backend.ts'
import { describeDemo } from './describe.ts'
import { startForm } from './form.ts'
import { startGateway } from './gateway.ts'

const { help, proxy, oidc, login, fault, elasticsearch } = parseArguments(process.argv.slice(2))
if (help || fault !== undefined) {
  if (fault !== undefined) console.error(`demo: ${fault}`)
  const print = help ? console.log : console.error
  print(usage)
  process.exit(help ? 0 : 2)
}

/** Everything to close at the end, in the order of its start. */
const running: { close: () => Promise<void> }[] = []
const log = await createLog({ level: 'warn', format: 'text' })

let isReady = false
let isStopping = false
// With npm, one Ctrl+C sends two signals: the terminal sends one to this process, and npm forwards its own. The second is ignored.
process.on('SIGINT', stop)
process.on('SIGTERM', stop)

try {
  const backend = await startBackend(elasticsearch)
  running.push(backend)
  const headersGateway = await startGateway({ file: 'authelia.yml', port: 5000, backend, log })
  running.push(headersGateway)
  const staticGateway = await startGateway({ file: 'static.yml', port: 5001, backend, log })
  running.push(staticGateway)
  const proxyGateway = proxy ? await startGateway({ file: 'proxy.yml', port: 5002, backend, log }) : undefined
  if (proxyGateway) running.push(proxyGateway)
  // Loaded only here: its OpenID provider is a development dependency
  const loginGateway = oidc ? await (await import('./login.ts')).startLogin({ backend, log }) : undefined
  if (loginGateway) running.push(loginGateway)
  const formGateway = login ? await startForm({ backend, log }) : undefined
  if (formGateway) running.push(formGateway)
  console.log(
    describeDemo({
      backend,
      headersUrl: headersGateway.url,
      staticUrl: staticGateway.url,
      proxyUrl: proxyGateway?.url,
      loginUrl: loginGateway?.url,
      formUrl: formGateway?.url,
    }),
  )
  isReady = true
} catch (error) {
  console.error(`demo: ${(error as Error).message}`)
  await closeAll()
  process.exit(1)
}

async function stop(): Promise<void> {
  if (isStopping) return
  isStopping = true
  if (isReady) {
    console.log('\nStopping …')
    await closeAll()
  }
  process.exit(0) // an Elasticsearch that is still starting ends with this process
}

async function closeAll(): Promise<void> {
  for (const { close } of running.reverse()) await close()
}
