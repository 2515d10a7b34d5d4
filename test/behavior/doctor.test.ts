import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { request } from 'undici'
import { authorize, elasticsearchFlags } from '../support/gateway.ts'
import { findFreePort } from '../support/port.ts'
import { authority, caFile } from '../support/tls-files.ts'
import { startTcpUpstream, startUpstream } from '../support/upstream.ts'
import { type Report, runDoctor } from './doctor.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture } from './fixture.ts'

const { start, elasticsearch, elasticsearchUrl } = await createFixture({
  accounts: { keeper: { password: 'changeme', roles: ['keeper'] }, lowly: { password: 'changeme' } },
  roles: { keeper: ['manage_security'] },
})
const directory = mkdtempSync(join(tmpdir(), 'elastauth-doctor-'))
after(() => rmSync(directory, { recursive: true }))

const secretKey = randomBytes(32).toString('hex')
const account = { ELASTAUTH_ELASTICSEARCH_USERNAME: 'keeper', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' }
const env = { ...account, ELASTAUTH_SECRET_KEY: secretKey }
const freeAddress = async () => `127.0.0.1:${await findFreePort()}`

async function doctor(
  flags: Readonly<Record<string, string>> = {},
  more: Readonly<Record<string, string>> = {},
): Promise<Report> {
  const usual = {
    listen: await freeAddress(),
    'elasticsearch.hosts': elasticsearchUrl,
    default_roles: 'viewer',
    ...elasticsearchFlags,
  }
  return runDoctor({ ...usual, ...flags }, { ...env, ...more })
}

describe('elastauth doctor', () => {
  test('doctor exits with 0 and reports each check in a line if nothing is wrong', async () => {
    const listen = await freeAddress()
    const flags = { listen, 'elasticsearch.hosts': elasticsearchUrl, default_roles: 'viewer', ...elasticsearchFlags }
    const gateway = await start({ flags, env })
    assert.equal((await authorize(gateway, 'ann')).status, 200)
    const args = Object.entries({ ...flags, log_format: 'json' }).flatMap(([key, value]) => [`--${key}`, value])
    const { code, stdout, stderr } = await runElastauth(['doctor', ...args], env)
    const lines = stdout.trimEnd().split('\n')
    assert.deepEqual(
      lines.filter((line) => !/^(✓ [A-Z][\w ]+: .+| {4}.+)$/.test(line)),
      [],
      stdout,
    )
    assert.match(stdout, new RegExp(`✓ Listener: ${listen} is in use by elastauth`))
    assert.match(stdout, /✓ Running configuration: the running elastauth has this configuration/)
    assert.match(
      stdout,
      /✓ Managed users: Elasticsearch accepts a managed user's credential\n {4}.*forward Authorization/,
    )
    assert.deepEqual([code, stderr], [0, ''])
  })

  test('doctor exits with 1 if there are only warnings, and says what to do in an indented line', async () => {
    const { code, stdout } = await runElastauth(
      [
        'doctor',
        '--elasticsearch.hosts',
        elasticsearchUrl,
        '--listen',
        await freeAddress(),
        '--default_roles',
        'viewer',
        '--elasticsearch.timeout',
        elasticsearchFlags['elasticsearch.timeout'],
      ],
      { ...env, ELASTAUTH_SECRET_KEY: '0123456789abcdef'.repeat(4) },
    )
    assert.match(stdout, /^! Secret key: .*\n {4}generate one with/m)
    assert.equal(code, 1)
  })

  test('doctor --json prints one document with an id, a status and a fix, and exits with 2 if a check has failed', async () => {
    const { code, status, checks } = await doctor({ 'elasticsearch.hosts': 'http://127.0.0.1:9' })
    assert.deepEqual([code, status], [2, 'failure'])
    const host = checks.find(({ id }) => id === 'elasticsearch.host')!
    assert.deepEqual(Object.keys(host), ['id', 'title', 'status', 'detail', 'fix'])
    assert.match(host.detail, /ECONNREFUSED/)
    assert.equal(host.fix, 'start it, or correct elasticsearch.hosts')
    const skipped = checks.filter((check) => check.status === 'skipped').map(({ id }) => id)
    assert.ok(['elasticsearch.login', 'elasticsearch.roles'].every((id) => skipped.includes(id)))
  })

  test('doctor reports every fault of a configuration that cannot be used, with its place and fix, and no secret', async () => {
    const file = join(directory, 'broken.yml')
    writeFileSync(file, 'elasticsearch:\n  hots: [a]\n  password: hunter2\ncache:\n  expiration: 1 hour\n')
    const { code, checks, output } = await runDoctor({ config: file }, { ELASTAUTH_SECRET_KEY: secretKey })
    assert.equal(code, 2)
    assert.ok(checks.length > 1 && checks.every(({ id, fix }) => id === 'configuration' && fix))
    assert.ok(checks.some(({ detail }) => detail.includes('broken.yml:2') && detail.includes('hots')))
    assert.ok(!output.includes('hunter2') && !output.includes(secretKey))
  })

  test('doctor ends although a host of Elasticsearch accepts connections and never responds, and checks the other hosts', async () => {
    const silent = await startTcpUpstream(() => {})
    const hosts = `${silent.url},${elasticsearchUrl}`
    const { code, checks } = await doctor({ 'elasticsearch.hosts': hosts, 'elasticsearch.timeout': '30s' })
    assert.equal(code, 2)
    assert.match(
      checks.find(({ id, status }) => id === 'elasticsearch.host' && status === 'failure')!.detail,
      /no result within/,
    )
    assert.equal(
      checks.find(({ id, status }) => id === 'elasticsearch.host' && status === 'ok')?.title,
      'Elasticsearch host',
    )
  })

  test('doctor says whether the file of the audit log can be written and rotated, and neither creates nor opens it', async () => {
    const find = async (path: string, required = 'false') =>
      (await doctor({ 'audit.path': path, 'audit.required': required })).checks.find(({ id }) => id === 'audit.file')!
    const missing = join(directory, 'audit.json')
    const created = await find(missing)
    assert.deepEqual([created.title, created.status], ['Audit file', 'ok'])
    assert.match(created.detail, /can be created, by the account of this command \(uid \d+\)$/)
    assert.equal(existsSync(missing), false)
    writeFileSync(missing, '', { mode: 0o600 })
    assert.match((await find(missing)).detail, /can be written and rotated/)
    chmodSync(missing, 0o644)
    const readable = await find(missing)
    assert.deepEqual([readable.status, readable.fix], ['warning', `chmod 600 ${missing}`])
    const pipe = join(directory, 'pipe')
    execFileSync('mkfifo', [pipe])
    assert.match((await find(pipe)).detail, /is a pipe or a device/)
    const without = await find('/no/such/directory/audit.json', 'true')
    assert.deepEqual([without.status, without.fix], ['failure', 'create the directory of the file'])
    assert.match(without.detail, /cannot be opened \(ENOENT.*; audit\.required is true, so requests get 503$/)
    assert.match((await find(directory)).detail, /it is a directory/)
  })

  test('doctor says that the API key of the audit log is not accepted, without showing it', async () => {
    const { checks, output } = await doctor({}, { ELASTAUTH_AUDIT_ELASTICSEARCH_API_KEY: 'c2VjcmV0OmtleQ==' })
    const { title, status, detail } = checks.find(({ id }) => id === 'audit.elasticsearch')!
    assert.deepEqual([title, status], ['Audit data stream', 'failure'])
    assert.equal(detail, 'Elasticsearch does not accept the API key')
    assert.ok(!output.includes('c2VjcmV0'))
  })

  test('doctor only reads from Elasticsearch', async () => {
    const before = elasticsearch.counters.writes
    const first = elasticsearch.calls.length
    await doctor()
    const writes = elasticsearch.calls
      .slice(first)
      .filter(({ method, path }) => method !== 'GET' && !path.includes('_has_privileges') && !path.includes('_query'))
    assert.deepEqual([writes, elasticsearch.counters.writes], [[], before])
  })

  test('doctor sends no credential to a host whose certificate it cannot verify', async () => {
    let requests = 0
    const tls = authority.issue('elasticsearch')
    const { url } = await startUpstream(
      (_, response) => {
        requests++
        response.end('{}')
      },
      { tls },
    )
    const { checks } = await doctor({ 'elasticsearch.hosts': url })
    const { detail, fix } = checks.find(({ id }) => id === 'elasticsearch.host')!
    assert.match(detail, /unknown issuer/)
    assert.equal(fix, 'put its CA into elasticsearch.ca_cert')
    assert.equal(requests, 0)
    const trusted = await doctor({ 'elasticsearch.hosts': url, 'elasticsearch.ca_cert': caFile })
    assert.match(trusted.checks.find(({ id }) => id === 'elasticsearch.host')!.detail, /is not Elasticsearch's/)
    assert.ok(requests > 0)
  })

  test('doctor warns about a certificate that expires in less than 14 days, and about a clock that is wrong', async () => {
    const expiring = authority.issue('expiring', { days: 7 })
    const { url } = await startUpstream(
      (_, response) => {
        const date = new Date(Date.now() - 3_600_000).toUTCString()
        response.writeHead(200, { 'x-elastic-product': 'Elasticsearch', date }).end('{"version":{"number":"8.19.0"}}')
      },
      { tls: expiring },
    )
    const { checks } = await doctor({ 'elasticsearch.hosts': url, 'elasticsearch.ca_cert': caFile })
    const details = checks
      .filter(({ id, status }) => id === 'elasticsearch.host' && status === 'warning')
      .map(({ detail }) => detail)
    assert.match(details[0]!, /expires on \d{4}-/)
    assert.match(details[1]!, /the clock of .* is 3[56]\d\d s behind/)
  })

  test('doctor finds managed users with the password of another secret key, and credentials that Elasticsearch rejects', async () => {
    const gateway = await start({ env })
    await authorize(gateway, 'carl')
    const otherKey = await doctor({}, { ELASTAUTH_SECRET_KEY: randomBytes(32).toString('hex') })
    const users = otherKey.checks.find(({ id, status }) => id === 'elasticsearch.users' && status === 'warning')!
    assert.match(users.detail, /have a password of another secret_key \(key id [0-9a-f]{8}\)/)
    assert.match(users.fix!, /previous_secret_keys/)
    for (const [name, user] of elasticsearch.users)
      if (user.metadata.elastauth) elasticsearch.users.set(name, { ...user, password: 'changed-by-an-admin' })
    const rejected = await doctor()
    assert.match(
      rejected.checks.find(({ id, status }) => id === 'elasticsearch.users' && status === 'failure')!.fix!,
      /native realm/,
    )
  })

  test('doctor tries no credential if no managed user has roles, although one has just signed in', async () => {
    const gateway = await start({ env })
    await authorize(gateway, 'carl')
    const before = new Map(elasticsearch.users)
    after(() => before.forEach((user, name) => void elasticsearch.users.set(name, user)))
    for (const [name, user] of elasticsearch.users)
      if (user.metadata.elastauth) elasticsearch.users.set(name, { ...user, roles: [] })
    const { checks } = await doctor()
    assert.deepEqual(
      checks.filter(({ id }) => id === 'elasticsearch.users').map(({ status, detail }) => [status, detail]),
      [['ok', 'no enabled managed user with roles has a current password, so no credential was tried']],
    )
  })

  test('doctor tells a port of another program from one that elastauth uses', async () => {
    const other = createServer((_, response) => response.end('{"status":"ok"}')).listen(0, '127.0.0.1')
    after(() => other.close())
    await new Promise((listening) => other.once('listening', listening))
    const listen = `127.0.0.1:${(other.address() as { port: number }).port}`
    const { checks } = await doctor({ listen })
    const { status, detail, fix } = checks.find(({ id }) => id === 'listeners')!
    assert.deepEqual([status, detail], ['failure', `listen is in use by another program (${listen})`])
    assert.match(fix!, /stop the other program/)
  })

  test('doctor checks the listeners for sub-requests and metrics, and a unix socket', async () => {
    const flags = {
      listen: `unix:${join(directory, 'own.sock')}`,
      'forward_auth.listen': await freeAddress(),
      'metrics.listen': await freeAddress(),
      enable_metrics: 'true',
    }
    const before = await doctor(flags)
    const of = ({ checks }: Report) =>
      checks.filter(({ id }) => id === 'listeners').map(({ status, detail }) => [status, detail])
    assert.deepEqual(
      of(before).map(([status]) => status),
      ['ok', 'ok', 'ok'],
    )
    await start({ flags, env })
    for (const [status, detail] of of(await doctor(flags))) {
      assert.equal(status, 'ok')
      assert.match(detail!, /in use by elastauth/)
    }
  })

  test('doctor asks an upstream without a credential, and reads the version and the public address of Kibana', async () => {
    const data = '{&quot;version&quot;:&quot;8.19.1&quot;,&quot;publicBaseUrl&quot;:&quot;http://wrong.test&quot;}'
    const credentials: unknown[] = []
    const { url } = await startUpstream(({ url: path, headers }, response) => {
      credentials.push(headers.authorization)
      response.setHeader('kbn-name', 'kibana')
      response.end(path === '/login' ? `<kbn-injected-metadata data="${data}"></kbn-injected-metadata>` : '')
    })
    const { checks } = await doctor(
      {
        ...{ 'proxy.enabled': 'true', 'proxy.elasticsearch_url': url, auth_provider: 'oidc' },
        ...{ 'oidc.issuer': 'http://127.0.0.1:9', 'oidc.client_id': 'kibana' },
        'oidc.redirect_url': 'https://kibana.test/elastauth/callback',
      },
      { ELASTAUTH_OIDC_CLIENT_SECRET: 'known-to-the-provider' },
    )
    const [ok, warning] = checks.filter(({ id }) => id === 'upstream')
    assert.equal(ok!.detail, `${url} is Kibana 8.19.1`)
    assert.match(warning!.detail, /publicBaseUrl is http:\/\/wrong\.test, but users sign in at https:\/\/kibana\.test/)
    assert.deepEqual(credentials, [undefined, undefined])
  })

  test('doctor warns about password hashes that are fast to guess, and counts the users', async () => {
    const file = join(directory, 'users')
    writeFileSync(file, `bob:$2y$04$${'a'.repeat(53)}\n`)
    const { checks } = await doctor({ auth_provider: 'users', 'users.path': file })
    const { status, detail } = checks.find(({ id }) => id === 'users')!
    assert.deepEqual([status, detail], ['warning', '1 of 1 user have a password hash that is fast to guess'])
  })
})

test('/elastauth/errors lists errors for requests from this machine only, and never the groups of users', async () => {
  const gateway = await start({
    flags: { enable_group_whitelist: 'true', group_whitelist: 'admins' },
    env: { ELASTAUTH_GROUP_MAPPINGS: '{"admins": ["viewer"]}' },
  })
  await fetch(gateway.url)
  await authorize(gateway, 'dora', 'payroll')
  const get = (headers: Record<string, string> = {}) => request(`${gateway.url}/elastauth/errors`, { headers })
  const response = await get()
  assert.equal(response.statusCode, 200)
  const text = await response.body.text()
  const { errors } = JSON.parse(text) as { errors: { code: string; count: number }[] }
  assert.deepEqual(
    errors.map(({ code, count }) => [code, count]),
    [
      ['group_denied', 1],
      ['identity_missing', 1],
    ],
  )
  assert.doesNotMatch(text, /payroll/)
  const admin = { 'Remote-User': 'ann', 'Remote-Groups': 'admins' }
  for (const headers of [
    { 'X-Forwarded-For': '127.0.0.1' },
    { Host: 'kibana.test' },
    { Via: '1.1 proxy', ...admin },
  ] as Record<string, string>[]) {
    const rejected = await get(headers)
    assert.equal(rejected.statusCode, 403)
    await rejected.body.dump()
  }
})
