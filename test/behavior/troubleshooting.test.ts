import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { request } from 'undici'
import { errorTable } from '../../src/http/errors.ts'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { type Gateway, type GatewayOptions, startGateway, subRequestUrlOf } from '../support/gateway.ts'
import { findQuoted, isQuoted, quotedCases } from '../support/troubleshooting.ts'
import { startUpstream } from '../support/upstream.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture, sendSubRequest, serviceAccount } from './fixture.ts'

const { start, elasticsearchUrl } = await createFixture({
  accounts: { alice: { password: 'set-by-an-admin' }, lowly: { password: 'changeme' } },
})

const directory = mkdtempSync(join(tmpdir(), 'elastauth-troubleshooting-'))
after(() => rmSync(directory, { recursive: true }))

/** An elastauth, asked once about a user. */
async function ask(options: GatewayOptions = {}, username = 'testuser', headers: Record<string, string> = {}) {
  const gateway = await start(options)
  return askOf(gateway, username, headers)
}

async function askOf(gateway: Gateway, username: string, headers: Record<string, string> = {}) {
  await (await sendSubRequest(gateway.url, username, headers)).arrayBuffer()
  return gateway
}

/** Nobody listens there. */
const nowhere = '127.0.0.1:1'
const proxyTo = (url: string) => ({ flags: { 'proxy.enabled': 'true', 'proxy.elasticsearch_url': url } })

/** With a `Host` of one's choice, which fetch does not allow. */
async function visit(url: string, headers: Record<string, string> = {}): Promise<void> {
  await (await request(url, { headers })).body.dump()
}

/** In proxy mode, before a provider where nobody listens; with these endpoints it need not be there to begin a login. */
function startWithOidc(endpoints: Readonly<Record<string, string>> = {}): Promise<Gateway> {
  const provider = `http://${nowhere}/`
  const known = Object.entries(endpoints).map(([name, path]) => [`oidc.${name}`, provider + path])
  return start({
    flags: {
      ...proxyTo(elasticsearchUrl).flags,
      auth_provider: 'oidc',
      'oidc.issuer': provider,
      'oidc.client_id': 'kibana',
      ...Object.fromEntries(known),
    },
    env: { ELASTAUTH_OIDC_CLIENT_SECRET: 'known-to-the-provider' },
  })
}

/** Makes the trouble of each case that docs/troubleshooting.md quotes a log line of. */
const troubles: Readonly<Record<string, () => Promise<Gateway[]>>> = {
  '401 Unauthorized from elastauth': async () => {
    const gateway = await ask({ flags: { trusted_proxies: '10.0.0.0/8' } })
    await fetch(gateway.url)
    return [gateway]
  },
  '404 from elastauth, or 403 with nginx, for every user': async () => {
    const one = await start()
    await fetch(`${one.url}/auth`)
    const two = await start({ flags: { 'forward_auth.listen': '127.0.0.1:0' } })
    await fetch(two.url)
    await fetch(`${await subRequestUrlOf(two)}/elastauth/login`)
    const provider = { auth_provider: 'oidc', 'oidc.issuer': `http://${nowhere}/`, 'oidc.client_id': 'kibana' }
    const three = await start({ flags: provider, env: { ELASTAUTH_OIDC_CLIENT_SECRET: 'known-to-the-provider' } })
    await fetch(`${three.url}/elastauth`)
    return [one, two, three]
  },
  'Authorization header not forwarded': async () => [await ask()],
  'Elasticsearch user not created': () =>
    Promise.all([
      ask({ env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'lowly' } }),
      ask({ env: { ELASTAUTH_ELASTICSEARCH_PASSWORD: 'wrong' } }),
      ask({ flags: { 'elasticsearch.dry_run': 'true' } }),
    ]),
  'Cache not working': async () => [
    await ask({ flags: { 'cache.type': 'redis', 'cache.redis_host': nowhere } }),
    await ask({
      flags: { 'cache.type': 'redis', 'cache.redis_host': 'redis.invalid:6379' },
      env: { ELASTAUTH_SECRET_KEY: '5eed'.padEnd(64, '0a1b2c3d') },
    }),
  ],
  "Traefik can't reach elastauth": async () => [await start()],
  'TLS certificate errors': async () => {
    const tls = createCertificateAuthority().issue('elasticsearch')
    const { url } = await startUpstream((_, response) => response.end('{}'), { tls })
    return Promise.all([
      ask({ flags: { 'elasticsearch.hosts': url } }),
      ask(proxyTo(url)),
      ask({ flags: { 'elasticsearch.hosts': url.replace('https', 'http') } }),
    ])
  },
  '403, though the login was good': () =>
    Promise.all([
      ask({}, 'alice'),
      ask({}, 'elastic'),
      startGateway({ flags: { 'elasticsearch.hosts': elasticsearchUrl }, env: serviceAccount }).then((gateway) => {
        after(() => gateway.stop())
        return askOf(gateway, 'testuser')
      }),
      ask({ flags: { enable_group_whitelist: 'true', group_whitelist: 'insiders' } }),
    ]),
  '400, or 403 from nginx: a malformed identity': async () => [await ask({}, 'testuser', { Remote_User: 'admin' })],
  'Signing in does not work': async () => {
    const page = { Accept: 'text/html' }
    const away = await startWithOidc()
    await visit(`${away.url}/`, page)
    await visit(`${away.url}/`)
    const here = await startWithOidc({ authorization_endpoint: 'auth', token_endpoint: 'token', jwks_uri: 'keys' })
    await visit(`${here.url}/`, { ...page, Host: 'kibana.example.com' })
    await visit(`${here.url}/elastauth/callback?code=x&state=y`, page)
    return [away, here]
  },
  '503: Elasticsearch cannot be reached': () =>
    Promise.all([
      ask({ flags: { 'elasticsearch.hosts': `http://${nowhere}` } }),
      ask({ flags: { 'elasticsearch.hosts': 'http://elasticsearch.invalid:9200' } }),
    ]),
  '502 in proxy mode: the upstream cannot be reached': async () => [await ask(proxyTo(`http://${nowhere}`))],
  'Replicas do not agree, and everything rotates at each restart': async () => [
    await start({ env: { ELASTAUTH_SECRET_KEY: 'your-64-char-hex-key' } }),
  ],
  'A changed configuration has no effect': async () => {
    const file = join(directory, 'changed.yml')
    writeFileSync(file, 'log_level: info\n')
    const gateway = await start({ flags: { config: file } })
    for (const text of ['log_level: loud\n', 'log_level: info\n']) {
      writeFileSync(file, text)
      const seen = gateway.log.length
      gateway.process.kill('SIGHUP')
      await gateway.logged((line) => gateway.log.indexOf(line) >= seen && /^configuration /.test(line.message ?? ''))
    }
    return [gateway]
  },
  '431: request headers too large': async () => [await ask({}, 'testuser', { Cookie: 'x'.repeat(70_000) })],
}

for (const [name, trouble] of Object.entries(troubles)) {
  test(`docs/troubleshooting.md: ${name}`, async () => {
    const gateways = await trouble()
    for (const quote of quotedCases.get(name) ?? []) await findQuoted(gateways, quote)
  })
}

test('docs/troubleshooting.md: It does not start', async () => {
  const file = join(directory, 'broken.yml')
  writeFileSync(
    file,
    `elasticsearch:\n  host: ${elasticsearchUrl}\ndefault_roles: [viewer]\nsecret_key: your-64-char-hex-key\n`,
  )
  const env = { ...serviceAccount, ELASTAUTH_CACHE_EXPIRATION: '1 hour' }
  const { code, stderr } = await runElastauth(['--config', file], env)
  assert.equal(code, 1)
  const lines = stderr.split('\n').map((line) => ({ message: line.trim() }))
  for (const quote of quotedCases.get('It does not start')!)
    assert.ok(
      lines.some((line) => isQuoted(quote, line)),
      `${quote.message} is not in\n${stderr}`,
    )
})

test('every case of docs/troubleshooting.md that quotes the log is made, and every code it quotes exists', () => {
  // the last by test/integration/troubleshooting.test.ts, which has real roles
  const made = [...Object.keys(troubles), 'It does not start', 'Logged in, but without rights']
  assert.deepEqual([...quotedCases.keys()].sort(), made.sort())
  for (const { code } of [...quotedCases.values()].flat()) assert.ok(code === '-' || code in errorTable, code)
})
