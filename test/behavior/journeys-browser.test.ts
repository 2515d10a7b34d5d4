import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { parse } from 'yaml'
import { createCaddyExample } from '../integration/interop/proxies.ts'
import { createTraefik, type RealProxy, startRealProxy } from '../integration/interop/real-proxy.ts'
import { skipWithout } from '../integration/interop/skip-without.ts'
import { createClient } from '../journeys/trust.ts'
import { skipWithoutChromium } from '../support/browser.ts'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { majors, readLock } from '../support/elasticsearch/versions.ts'
import { examples, pathOf } from '../support/example.ts'
import { startGateway } from '../support/gateway.ts'
import { findFreePort } from '../support/port.ts'
import { passwords, usersEnv, usersFlags } from '../support/sign-in-form.ts'
import { type Authelia, createAuthelia } from '../support/stand-ins/authelia.ts'
import { createForwardAuthProxy } from '../support/stand-ins/forward-auth-proxy.ts'
import { createKibana, document } from '../support/stand-ins/kibana.ts'
import { authority, caFile, tlsFlags, writePem } from '../support/tls-files.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const root = join(import.meta.dirname, '../..')
const domain = 'elastauth.localhost'
const certificate = authority.issue('traefik', { names: [`*.${domain}`] })
const output = mkdtempSync(join(tmpdir(), 'elastauth-journey-'))
after(() => rmSync(output, { recursive: true }))

const steps = [
  'forged credentials are rejected without a session',
  'alice signs in',
  'Kibana knows alice',
  'forged credentials change nothing in a session',
  'Dev Tools sends requests as alice',
  `Discover shows the data of ${document.index}`,
  'alice signs out',
  'the cookies of the session no longer work after the sign-out',
  'Kibana asks for a sign-in again',
]

type Journey = Readonly<{ url: string; signIn: string; signInUrl?: string; password?: string; ca?: string }>

/** Runs the journey as scripts/run-journey.sh does. */
function run({ url, signIn, signInUrl = url, password = passwords.alice, ca = caFile }: Journey) {
  const folder = mkdtempSync(join(output, 'run-'))
  const { index, text } = document
  const args = ['--url', url, '--sign-in', signIn, '--sign-in-url', signInUrl, '--login', 'alice', '--ca', ca]
  const more = ['--index', index, '--text', text, '--output', folder]
  const main = join(root, 'test/journeys/main.ts')
  const env = { ...process.env, JOURNEY_PASSWORD: password }
  return new Promise<{ code: unknown; done: string[]; stderr: string; folder: string }>((resolve) => {
    execFile(process.execPath, [main, ...args, ...more], { env }, (error, stdout, stderr) => {
      const done = stdout.split('\n').flatMap((line) => /^ok: (.*)/.exec(line)?.slice(1) ?? [])
      resolve({ code: error?.code ?? 0, done, stderr, folder })
    })
  })
}

/** elastauth in auth-only mode, the stand-ins for Authelia and Kibana, and the names under which users open them. */
async function startBackends(options: Partial<Authelia> = {}) {
  const authelia = createAuthelia({ domain, passwords: { alice: passwords.alice }, groups: 'admins', ...options })
  const flags = { 'elasticsearch.dry_run': 'true', default_roles: 'viewer' }
  const proxySecret = 'the-secret-between-proxy-and-elastauth'
  const gateway = await startGateway({ flags, env: { ELASTAUTH_PROXY_SECRET: proxySecret } })
  after(() => gateway.stop())
  const addressOf = ({ url }: { url: string }) => new URL(url).host
  return {
    authelia: addressOf(await startUpstream(authelia)),
    elastauth: addressOf(gateway),
    kibana: addressOf(await startUpstream(createKibana())),
    proxySecret,
  }
}

const through = (port: number): Journey => ({
  url: `https://kibana.${domain}:${port}`,
  signIn: 'authelia',
  signInUrl: `https://auth.${domain}:${port}`,
})

type Faults = Readonly<{ keepsSessions?: boolean; trusts?: 'every client' | 'users' }>

/** A forward-auth proxy, and an Authelia, with these faults. */
async function startFaultyProxy({ keepsSessions = false, ...fault }: Faults = {}): Promise<Journey> {
  const backends = await startBackends({ keepsSessions })
  const server = await startUpstream(createForwardAuthProxy({ ...backends, domain, ...fault }), { tls: certificate })
  return through(server.port)
}

/** The proxy of an example, with its routes and TLS. */
async function startExample(proxy: RealProxy): Promise<Journey> {
  const cleanup = new AsyncDisposableStack()
  after(() => cleanup.disposeAsync())
  return through((await startRealProxy(proxy, await startBackends(), cleanup)).port)
}

const tls = tlsFlags(certificate, 'proxy')
const files = { cert: tls['tls.cert'], key: tls['tls.key'] }

const healthPort = await findFreePort()
const caddy = createCaddyExample('Caddy', ({ directory, port }, { proxySecret }) => ({
  caddyfile: {
    'elastauth.localhost:8443': `elastauth.localhost:${port}`,
    '127.0.0.1:8080': `127.0.0.1:${healthPort}`,
    '/secrets/tls.crt /secrets/tls.key': `${files.cert} ${files.key}`,
    '/secrets/': `${directory}/`,
  },
  files: { 'proxy-secret': `header_up X-Elastauth-Proxy-Secret ${proxySecret}\n` },
}))

const traefik: RealProxy = {
  ...createTraefik(
    ({ authelia, elastauth, kibana, proxySecret }, port) => {
      const header = { headers: { customRequestHeaders: { 'X-Elastauth-Proxy-Secret': proxySecret } } }
      return readFileSync(pathOf('traefik-authelia', 'routes.yml'), 'utf8')
        .replaceAll('authelia:9091', authelia)
        .replace('elastauth:5000', elastauth)
        .replace('kibana:5601', kibana)
        .replaceAll(':8443', `:${port}`)
        .replace('  middlewares:\n', `  middlewares:\n    proxy-secret: ${JSON.stringify(header)}\n`)
        .replace('/secrets/ca.crt', caFile)
        .replace('/secrets/tls.crt', files.cert)
        .replace('/secrets/tls.key', files.key)
    },
    { host: '', path: '' },
  ),
  async isReady(port) {
    const client = createClient(`https://kibana.${domain}:${port}`, authority.cert)
    const status = await client.get('/', {}).catch(() => 404) // it has no route until it has read its file
    await client.close()
    return status !== 404
  },
}

/** The journey through elastauth in proxy mode, with its form, in front of Kibana. */
async function startProxyMode() {
  const kibana = await startUpstream(createKibana())
  const gateway = await startProxy(kibana.url, { flags: { ...usersFlags, ...tlsFlags(certificate) }, env: usersEnv })
  return { url: `https://kibana.${domain}:${portOf(gateway)}`, signIn: 'form', log: gateway.log }
}

test('the workflow and its script run every example, with the versions of Elasticsearch that the tests run', () => {
  const workflow = parse(readFileSync(join(root, '.github/workflows/examples.yml'), 'utf8'))
  const { example, elastic } = workflow.jobs.journey.strategy.matrix
  assert.deepEqual([...example].sort(), examples)
  assert.deepEqual(elastic, majors.map((major) => readLock(major).version).sort())
  const script = readFileSync(join(root, 'scripts/run-journey.sh'), 'utf8')
  const cases = [...script.matchAll(/^ {2}([a-z][a-z-| ]*)\)$/gm)].flatMap(([, names = '']) => names.split(' | '))
  assert.deepEqual(cases.sort(), examples)
})

describe('the journeys through the examples', { skip: skipWithoutChromium() }, () => {
  test('the journey through proxy mode signs in with the form, uses Kibana and signs out', async () => {
    const { log, ...journey } = await startProxyMode()
    const { code, done, stderr, folder } = await run(journey)
    assert.deepEqual({ code, done, stderr }, { code: 0, done: steps, stderr: '' })
    assert.equal(existsSync(join(folder, 'trace.zip')), false)
    assert.deepEqual(
      log.filter((line) => line['log.level'] === 'error'),
      [],
    )
  })

  for (const proxy of [caddy, traefik]) {
    if (skipWithout(proxy) !== false) continue
    test(`the journey through the example's ${proxy.name} signs in at Authelia, uses Kibana and signs out`, async () => {
      const { code, done, stderr } = await run(await startExample(proxy))
      assert.deepEqual({ code, done, stderr }, { code: 0, done: steps, stderr: '' })
    })
  }

  test('a journey with a wrong password fails, prints the message of the sign-in page, and saves a screenshot and a trace', async () => {
    const { code, done, stderr, folder } = await run({ ...(await startFaultyProxy()), password: 'wrong' })
    assert.deepEqual({ code, done }, { code: 1, done: steps.slice(0, 1) })
    assert.match(stderr, /^failed: alice signs in: the sign-in page says: Incorrect username or password\n/)
    assert.equal(readFileSync(join(folder, 'failure.png')).toString('latin1', 1, 4), 'PNG')
    assert.equal(readFileSync(join(folder, 'trace.zip')).toString('latin1', 0, 2), 'PK')
  })

  test('a journey fails if the proxy accepts identity headers from a client without a session', async () => {
    const { code, done, stderr } = await run(await startFaultyProxy({ trusts: 'every client' }))
    assert.deepEqual({ code, done }, { code: 1, done: [] })
    assert.match(stderr, /^failed: forged credentials .*: Remote-User and Remote-Groups: GET .* responds with 200/)
  })

  test('a journey fails if a user with a session becomes another user by sending identity headers', async () => {
    const { code, done, stderr } = await run(await startFaultyProxy({ trusts: 'users' }))
    assert.deepEqual({ code, done }, { code: 1, done: steps.slice(0, 3) })
    assert.match(stderr, /^failed: forged credentials .* session: Remote-User and Remote-Groups: .*"attacker"/)
  })

  test('a journey fails if the session outlives the sign-out', async () => {
    const { code, done, stderr } = await run(await startFaultyProxy({ keepsSessions: true }))
    assert.deepEqual({ code, done }, { code: 1, done: steps.slice(0, 7) })
    assert.match(
      stderr,
      /^failed: the cookies of the session no longer work after the sign-out: GET \/app\/home .* 200/,
    )
  })

  test('a journey fails if another CA has issued the certificate', async () => {
    const other = writePem('other.crt', createCertificateAuthority().cert)
    const { code, done, stderr } = await run({ ...(await startProxyMode()), ca: other })
    assert.deepEqual({ code, done }, { code: 1, done: [] })
    assert.match(stderr, /unable to verify|self-signed|signature/)
  })
})
