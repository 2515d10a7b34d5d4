import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { request } from 'undici'
import { errorTable } from '../../src/http/errors.ts'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import {
  elasticsearchFlags,
  type Gateway,
  type GatewayOptions,
  startGateway,
  subRequestUrlOf,
  testKey,
} from '../support/gateway.ts'
import { findFreePort } from '../support/port.ts'
import { doctorTitles, findQuoted, isQuoted, quotedCases } from '../support/troubleshooting.ts'
import { startRawUpstream, startUpstream } from '../support/upstream.ts'
import { runDoctor } from './doctor.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture, sendSubRequest, serviceAccount } from './fixture.ts'

const { start: startWithRole, elasticsearchUrl } = await createFixture({
  accounts: { alice: { password: 'set-by-an-admin' }, lowly: { password: 'changeme' } },
})

type Settings = Required<Pick<GatewayOptions, 'flags' | 'env'>>

/** What each gateway was started with, for `elastauth doctor`. */
const settingsOf = new Map<Gateway, Settings>()

async function start(
  { flags, env }: GatewayOptions = {},
  startIt: (options: GatewayOptions) => Promise<Gateway> = startWithRole,
): Promise<Gateway> {
  const settings = {
    flags: {
      ...elasticsearchFlags,
      listen: `127.0.0.1:${await findFreePort()}`,
      'elasticsearch.hosts': elasticsearchUrl,
      ...flags,
    },
    env: { ELASTAUTH_SECRET_KEY: testKey, ...serviceAccount, ...env },
  }
  const gateway = await startIt(settings)
  settingsOf.set(gateway, settings)
  return gateway
}

/** A gateway whose users have no default role. */
function startWithoutRole(): Promise<Gateway> {
  return start({}, async (settings) => {
    const gateway = await startGateway(settings)
    after(() => gateway.stop())
    return gateway
  })
}

const directory = mkdtempSync(join(tmpdir(), 'elastauth-troubleshooting-'))
after(() => rmSync(directory, { recursive: true }))

/** Starts elastauth and sends one sub-request for a user. */
async function startAndRequest(
  options: GatewayOptions = {},
  username = 'testuser',
  headers: Record<string, string> = {},
) {
  const gateway = await start(options)
  return requestFrom(gateway, username, headers)
}

async function requestFrom(gateway: Gateway, username: string, headers: Record<string, string> = {}) {
  await (await sendSubRequest(gateway.url, username, headers)).arrayBuffer()
  return gateway
}

/** An address that refuses connections. */
const closedAddress = '127.0.0.1:1'
/** A name that cannot be resolved. No DNS server is asked for it, which may take long, because a label has at most 63 characters. */
const unknownHost = `${'x'.repeat(64)}.invalid`
const proxyTo = (url: string) => ({ flags: { 'proxy.enabled': 'true', 'proxy.elasticsearch_url': url } })

/** Uses undici because fetch does not allow a custom `Host`. */
async function visit(url: string, headers: Record<string, string> = {}): Promise<void> {
  await (await request(url, { headers })).body.dump()
}

/** Proxy mode with an unreachable provider. A login can begin if the endpoints are configured, so they need no discovery. */
function startWithOidc(endpoints: Readonly<Record<string, string>> = {}): Promise<Gateway> {
  const provider = `http://${closedAddress}/`
  const endpointFlags = Object.entries(endpoints).map(([name, path]) => [`oidc.${name}`, provider + path])
  return start({
    flags: {
      ...proxyTo(elasticsearchUrl).flags,
      auth_provider: 'oidc',
      'oidc.issuer': provider,
      'oidc.client_id': 'kibana',
      ...Object.fromEntries(endpointFlags),
    },
    env: { ELASTAUTH_OIDC_CLIENT_SECRET: 'known-to-the-provider' },
  })
}

/** Causes the problem of each section of docs/troubleshooting.md that quotes a log line. */
const reproductions: Readonly<Record<string, () => Promise<Gateway[]>>> = {
  '401 Unauthorized from elastauth': async () => {
    const gateway = await startAndRequest({ flags: { trusted_proxies: '10.0.0.0/8' } })
    await fetch(gateway.url)
    const withSecret = await startAndRequest({ env: { ELASTAUTH_PROXY_SECRET: 'a-shared-secret-of-32-characters' } })
    await requestFrom(withSecret, 'testuser', { 'X-Elastauth-Proxy-Secret': 'another-secret' })
    return [gateway, withSecret]
  },
  '404 from elastauth, or 403 with nginx, for every user': async () => {
    const withoutPrefix = await start()
    await fetch(`${withoutPrefix.url}/auth`)
    const withOwnListener = await start({ flags: { 'forward_auth.listen': '127.0.0.1:0' } })
    await fetch(withOwnListener.url)
    await fetch(`${await subRequestUrlOf(withOwnListener)}/elastauth/login`)
    const provider = { auth_provider: 'oidc', 'oidc.issuer': `http://${closedAddress}/`, 'oidc.client_id': 'kibana' }
    const withLogin = await start({ flags: provider, env: { ELASTAUTH_OIDC_CLIENT_SECRET: 'known-to-the-provider' } })
    await fetch(`${withLogin.url}/elastauth`)
    return [withoutPrefix, withOwnListener, withLogin]
  },
  'Authorization header not forwarded': async () => [await startAndRequest()],
  'Elasticsearch user not created': () =>
    Promise.all([
      startAndRequest({ env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'lowly' } }),
      startAndRequest({ env: { ELASTAUTH_ELASTICSEARCH_PASSWORD: 'wrong' } }),
      startAndRequest({ flags: { 'elasticsearch.dry_run': 'true' } }),
    ]),
  'Cache not working': async () => [
    await startAndRequest({ flags: { 'cache.type': 'redis', 'cache.redis_host': closedAddress } }),
    await startAndRequest({
      flags: { 'cache.type': 'redis', 'cache.redis_host': `${unknownHost}:6379` },
      env: { ELASTAUTH_SECRET_KEY: '5eed'.padEnd(64, '0a1b2c3d') },
    }),
    await start({
      flags: {
        'cache.type': 'redis',
        'cache.redis_host': `127.0.0.1:${(await startRawUpstream()).port}`, // which never responds
        'cache.redis_timeout': '2s',
      },
    }),
  ],
  "Traefik can't reach elastauth": async () => [await start()],
  'TLS certificate errors': async () => {
    const tls = createCertificateAuthority().issue('elasticsearch')
    const { url } = await startUpstream((_, response) => response.end('{}'), { tls })
    return Promise.all([
      startAndRequest({ flags: { 'elasticsearch.hosts': url } }),
      startAndRequest(proxyTo(url)),
      startAndRequest({ flags: { 'elasticsearch.hosts': url.replace('https', 'http') } }),
    ])
  },
  '403 after a successful sign-in': () =>
    Promise.all([
      startAndRequest({}, 'alice'),
      startAndRequest({}, 'elastic'),
      startWithoutRole().then((gateway) => requestFrom(gateway, 'testuser', { 'Remote-Groups': 'guests' })),
      startAndRequest({ flags: { enable_group_whitelist: 'true', group_whitelist: 'insiders' } }, 'testuser', {
        'Remote-Groups': 'guests',
      }),
    ]),
  '400, or 403 from nginx: a malformed identity': async () => [
    await startAndRequest({}, 'testuser', { Remote_User: 'admin' }),
  ],
  'Signing in does not work': async () => {
    const page = { Accept: 'text/html' }
    const unreachable = await startWithOidc()
    await visit(`${unreachable.url}/`, page)
    await visit(`${unreachable.url}/`)
    const endpoints = { authorization_endpoint: 'auth', token_endpoint: 'token', jwks_uri: 'keys' }
    const [reachable, otherReplica] = [await startWithOidc(endpoints), await startWithOidc(endpoints)]
    await visit(`${reachable.url}/`, { ...page, Host: 'kibana.example.com' })
    await visit(`${reachable.url}/elastauth/callback?code=x&state=y`, page)
    const { headers, body } = await request(`${reachable.url}/`, { headers: page })
    await body.dump()
    const { searchParams } = new URL(String(headers.location))
    await visit(`${otherReplica.url}/elastauth/callback?code=x&state=${searchParams.get('state')}`, page)
    return [unreachable, reachable, otherReplica]
  },
  '503: Elasticsearch cannot be reached': () =>
    Promise.all([
      startAndRequest({ flags: { 'elasticsearch.hosts': `http://${closedAddress}` } }),
      startAndRequest({ flags: { 'elasticsearch.hosts': `http://${unknownHost}:9200` } }),
    ]),
  '502 in proxy mode: the upstream cannot be reached': async () => [
    await startAndRequest(proxyTo(`http://${closedAddress}`)),
  ],
  'Replicas disagree, and all passwords change at each restart': async () => [
    await start({ env: { ELASTAUTH_SECRET_KEY: 'your-64-char-hex-key' } }),
  ],
  'A changed configuration has no effect': async () => {
    const file = join(directory, 'changed.yml')
    writeFileSync(file, 'log_level: info\n')
    const gateway = await start({ flags: { config: file } })
    for (const text of ['log_level: loud\n', 'log_level: info\n']) {
      writeFileSync(file, text)
      const seenLines = gateway.log.length
      gateway.process.kill('SIGHUP')
      await gateway.logged(
        (line) => gateway.log.indexOf(line) >= seenLines && /^configuration /.test(line.message ?? ''),
      )
    }
    writeFileSync(file, 'log_level: debug\n') // without a reload
    return [gateway]
  },
  '431: request headers too large': async () => [await startAndRequest({}, 'testuser', { Cookie: 'x'.repeat(70_000) })],
}

for (const [section, reproduce] of Object.entries(reproductions)) {
  test(`logs the lines that docs/troubleshooting.md quotes under "${section}", and elastauth doctor finds the cause`, async () => {
    const gateways = await reproduce()
    for (const quote of quotedCases.get(section) ?? []) await findQuoted(gateways, quote)
    await checkDoctor(section, gateways.map(settingsFor))
  })
}

function settingsFor(gateway: Gateway): Settings {
  const { flags, env } = settingsOf.get(gateway)!
  return { flags: { log_format: 'json', ...flags }, env }
}

/** Nothing that elastauth sees is wrong in these cases: the proxy is. The fix says so. */
const outside: readonly string[] = ['Authorization header not forwarded', "Traefik can't reach elastauth"]

/** Each check that the page names finds the problem of at least one of these gateways, and says what to do. */
async function checkDoctor(section: string, all: readonly Settings[]): Promise<void> {
  const reports = await Promise.all(all.map(({ flags, env }) => runDoctor(flags, env)))
  const found = reports.flatMap(({ checks }) => checks)
  const titles = doctorTitles.get(section)!
  assert.ok(titles.length > 0)
  for (const title of titles) {
    const results = found.filter((result) => result.title.startsWith(title))
    const problems = results.filter(
      ({ status }) => status !== 'skipped' && (status !== 'ok' || outside.includes(section)),
    )
    // The text of a warning of the configuration says what to do.
    const isFound = problems.some(
      ({ fix, status }) => fix !== undefined || (title === 'Configuration' && status === 'warning'),
    )
    assert.ok(isFound, `${title}: ${JSON.stringify(found, null, 2)}`)
  }
}

test('elastauth doctor finds the cause that docs/troubleshooting.md names under "Kibana asks users to sign in about once an hour"', async () => {
  const { url } = await startUpstream((_, response) => {
    response.setHeader('kbn-name', 'kibana')
    setTimeout(() => response.end(), 50)
  })
  const own = { 'cache.rotation_pause': '1ms', 'elasticsearch.hosts': elasticsearchUrl }
  const flags = { ...proxyTo(url).flags, ...elasticsearchFlags, ...own }
  const { checks } = await runDoctor(flags, { ...serviceAccount, ELASTAUTH_SECRET_KEY: testKey })
  const { detail, fix } = checks.find(({ title, status }) => title === 'Upstream' && status === 'warning')!
  assert.deepEqual(doctorTitles.get('Kibana asks users to sign in about once an hour'), ['Upstream'])
  assert.match(detail, /longer than cache\.rotation_pause/)
  assert.match(fix!, /extend_cache: true/)
})

test('docs/troubleshooting.md names the checks of elastauth doctor that find each case', () => {
  assert.ok(doctorTitles.size > 15)
  assert.deepEqual(
    [...doctorTitles].filter(([, titles]) => titles.length === 0),
    [],
  )
})

test('prints the faults that docs/troubleshooting.md quotes under "It does not start"', async () => {
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
  const occupied = await start()
  await checkDoctor('It does not start', [
    { flags: { config: file }, env },
    // Another program than elastauth is on the port.
    {
      flags: { ...settingsFor(occupied).flags, listen: new URL(elasticsearchUrl).host },
      env: settingsFor(occupied).env,
    },
  ])
})

test('tests every section of docs/troubleshooting.md that quotes the log, and every error code in it exists', () => {
  // test/integration/troubleshooting.test.ts tests the last one, which needs real roles
  const tested = [...Object.keys(reproductions), 'It does not start', 'Signed in, but without privileges']
  assert.deepEqual([...quotedCases.keys()].sort(), tested.sort())
  for (const { code } of [...quotedCases.values()].flat()) assert.ok(code === '-' || code in errorTable, code)
})
