import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { skipWithoutChromium } from '../support/browser.ts'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { startGateway } from '../support/gateway.ts'
import { findFreePort } from '../support/port.ts'
import { passwords, usersEnv, usersFlags } from '../support/sign-in-form.ts'
import { type Authelia, createAuthelia } from '../support/stand-ins/authelia.ts'
import { createForwardAuthProxy } from '../support/stand-ins/forward-auth-proxy.ts'
import { createKibana, document } from '../support/stand-ins/kibana.ts'
import { authority, caFile, tlsFlags, writePem } from '../support/tls-files.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const domain = 'elastauth.localhost'
const certificate = authority.issue('traefik', { names: [`*.${domain}`] })
const output = mkdtempSync(join(tmpdir(), 'elastauth-journey-'))
after(() => rmSync(output, { recursive: true }))

const steps = [
  'made-up credentials are rejected without a session',
  'alice signs in',
  'Kibana knows alice',
  'made-up credentials change nothing in a session',
  'Dev Tools sends requests as alice',
  `Discover shows the data of ${document.index}`,
  'alice signs out',
  'the cookies of the session are useless after the sign-out',
  'Kibana asks for a sign-in again',
]

type Journey = Readonly<{ url: string; signIn: string; signInUrl?: string; password?: string; ca?: string }>

/** Runs the journey as the workflow does. */
function run({ url, signIn, signInUrl = url, password = passwords.alice, ca = caFile }: Journey) {
  const folder = mkdtempSync(join(output, 'run-'))
  const { index, text } = document
  const args = ['--url', url, '--sign-in', signIn, '--sign-in-url', signInUrl, '--login', 'alice', '--ca', ca]
  const more = ['--index', index, '--text', text, '--output', folder]
  const main = join(import.meta.dirname, '../journeys/main.ts')
  const env = { ...process.env, JOURNEY_PASSWORD: password }
  return new Promise<{ code: unknown; done: string[]; stderr: string; folder: string }>((resolve) => {
    execFile(process.execPath, [main, ...args, ...more], { env }, (error, stdout, stderr) => {
      const done = stdout.split('\n').flatMap((line) => /^ok: (.*)/.exec(line)?.slice(1) ?? [])
      resolve({ code: error?.code ?? 0, done, stderr, folder })
    })
  })
}

/** elastauth in auth-only mode behind Authelia, with what a proxy needs in front of both. */
async function startBackends(port: number, options: Partial<Authelia> = {}) {
  const url = `https://auth.${domain}:${port}`
  const authelia = await startUpstream(
    createAuthelia({ domain, url, passwords: { alice: passwords.alice }, groups: 'admins', ...options }),
  )
  const kibana = await startUpstream(createKibana())
  const flags = { 'elasticsearch.dry_run': 'true', default_roles: 'viewer' }
  const gateway = await startGateway({ flags, env: { ELASTAUTH_PROXY_SECRET: proxySecret } })
  after(() => gateway.stop())
  const [first, second, third] = [authelia, gateway, kibana].map((server) => new URL(server.url).host)
  return { authelia: first!, elastauth: second!, kibana: third!, proxySecret }
}
const proxySecret = 'the-secret-between-proxy-and-elastauth'

type Faults = Readonly<{ keepsSessions?: boolean; trusts?: 'every client' | 'users' }>

/** The stand-in for Traefik in front of these backends. @returns the journey through it */
async function startForwardAuth({ keepsSessions = false, ...fault }: Faults = {}): Promise<Journey> {
  const port = await findFreePort()
  const backends = await startBackends(port, { keepsSessions })
  const signInUrl = `https://auth.${domain}:${port}`
  const handler = createForwardAuthProxy({
    ...backends,
    portal: `auth.${domain}`,
    signOutUrl: `${signInUrl}/logout`,
    ...fault,
  })
  await startUpstream(handler, { port, tls: certificate })
  return { url: `https://kibana.${domain}:${port}`, signIn: 'authelia', signInUrl }
}

/** The journey through elastauth in proxy mode, with its form, in front of Kibana. */
async function startProxyMode(): Promise<Journey> {
  const kibana = await startUpstream(createKibana())
  const gateway = await startProxy(kibana.url, { flags: { ...usersFlags, ...tlsFlags(certificate) }, env: usersEnv })
  return { url: `https://kibana.${domain}:${portOf(gateway)}`, signIn: 'form' }
}

describe('the journeys through the examples', { skip: skipWithoutChromium() }, () => {
  test('the journey through proxy mode signs in with the form, uses Kibana and signs out', async () => {
    const { code, done, stderr, folder } = await run(await startProxyMode())
    assert.deepEqual({ code, done, stderr }, { code: 0, done: steps, stderr: '' })
    assert.equal(existsSync(join(folder, 'trace.zip')), false)
  })

  test("the journey through forward auth signs in at Authelia's portal, uses Kibana and signs out", async () => {
    const { code, done, stderr } = await run(await startForwardAuth())
    assert.deepEqual({ code, done, stderr }, { code: 0, done: steps, stderr: '' })
  })

  test('a journey with a wrong password fails, says what the sign-in page says, and leaves a screenshot and a trace', async () => {
    const { code, done, stderr, folder } = await run({ ...(await startForwardAuth()), password: 'wrong' })
    assert.deepEqual({ code, done }, { code: 1, done: steps.slice(0, 1) })
    assert.match(stderr, /^failed: alice signs in: the sign-in page says: Incorrect username or password\n/)
    assert.equal(readFileSync(join(folder, 'failure.png')).toString('latin1', 1, 4), 'PNG')
    assert.equal(readFileSync(join(folder, 'trace.zip')).toString('latin1', 0, 2), 'PK')
  })

  test('a journey fails if the proxy lets identity headers of a client without a session in', async () => {
    const { code, done, stderr } = await run(await startForwardAuth({ trusts: 'every client' }))
    assert.deepEqual({ code, done }, { code: 1, done: [] })
    assert.match(stderr, /^failed: made-up credentials .*: Remote-User and Remote-Groups: GET .* responds with 200/)
  })

  test('a journey fails if a user with a session becomes another by identity headers', async () => {
    const { code, done, stderr } = await run(await startForwardAuth({ trusts: 'users' }))
    assert.deepEqual({ code, done }, { code: 1, done: steps.slice(0, 3) })
    assert.match(stderr, /^failed: made-up credentials .* session: Remote-User and Remote-Groups: .*"attacker"/)
  })

  test('a journey fails if the session outlives the sign-out', async () => {
    const { code, done, stderr } = await run(await startForwardAuth({ keepsSessions: true }))
    assert.deepEqual({ code, done }, { code: 1, done: steps.slice(0, 7) })
    assert.match(stderr, /^failed: the cookies of the session are useless after the sign-out: GET \/app\/home .* 200/)
  })

  test('a journey fails if another authority has signed the certificate', async () => {
    const other = writePem('other.crt', createCertificateAuthority().cert)
    const { code, done, stderr } = await run({ ...(await startProxyMode()), ca: other })
    assert.deepEqual({ code, done }, { code: 1, done: [] })
    assert.match(stderr, /unable to verify|self-signed|signature/)
  })
})
