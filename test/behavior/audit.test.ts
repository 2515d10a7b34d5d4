import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { authorize, type Gateway, testKey } from '../support/gateway.ts'
import { scrape, untilSample } from '../support/metrics.ts'
import { findFreePort } from '../support/port.ts'
import { startProxy, startUpstream } from '../support/upstream.ts'
import { eventually } from '../support/wait.ts'
import { runCommand, runElastauth } from './elastauth-command.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-audit-'))
after(() => rmSync(directory, { recursive: true }))

type Event = Readonly<Record<string, unknown>>

let files = 0
const newPath = () => join(directory, `${++files}.json`)
const eventsIn = (path: string): Event[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line))
    : []
const actionsOf = (events: readonly Event[]) => events.map((event) => event['event.action'])

/** Resolves to the first event that is accepted, as soon as it is in the file. */
async function recorded(path: string, accepts: (event: Event) => boolean): Promise<Event> {
  const events = await eventually(
    async () => eventsIn(path),
    (all) => all.some(accepts),
  )
  return events.find(accepts)!
}
const byAction = (action: string) => (event: Event) => event['event.action'] === action

const verify = (...paths: string[]) => runElastauth(['audit', 'verify', ...paths], { ELASTAUTH_SECRET_KEY: testKey })

async function assertIntact(...paths: string[]): Promise<void> {
  const { code, stdout } = await verify(...paths)
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^OK: \d+ records of \d+ chain/)
}

describe('the audit log in a file', () => {
  test('it has sign-ins and denials with their fields at log_level fatal, and elastauth audit verify accepts it', async () => {
    const path = newPath()
    const gateway = await start({
      flags: {
        'audit.path': path,
        log_level: 'fatal',
        listen: `127.0.0.1:${await findFreePort()}`,
        enable_metrics: 'true',
      },
    })
    await authorize(gateway, 'alice', 'team')
    await authorize(gateway, 'elastic')
    const created = await recorded(path, byAction('user_created'))
    assert.deepEqual([created['user.name'], created['user.changes.roles']], ['alice', ['viewer']])
    const denied = await recorded(path, byAction('access_denied'))
    assert.equal(denied['event.reason'], 'user_reserved')
    assert.equal(denied['user.name'], 'elastic')
    assert.equal(denied['http.response.status_code'], 403)
    assert.equal(denied['source.ip'], '127.0.0.1')
    assert.match(String(denied['http.request.id']), /^[\w-]+$/)
    // Counted when the write has returned, which may be after the file has the events.
    await untilSample(gateway.url, 'elastauth_audit_events_written_total{sink="file"}', eventsIn(path).length - 1)
    assert.equal((await scrape(gateway.url))('elastauth_audit_events_dropped_total{sink="file"}'), 0)
    assert.equal(await gateway.stop(), 0)
    const actions = actionsOf(eventsIn(path))
    assert.deepEqual([actions[0], actions.at(-1)], ['audit_started', 'audit_stopped'])
    assert.ok(!actions.includes('started'), 'the start of the process is not an audit event')
    await assertIntact(path)
  })

  test('on SIGHUP it is opened again, even if the configuration has a fault, and both files are intact together', async () => {
    const path = newPath()
    const config = join(directory, 'reload.yml')
    const write = (body: string) => execFileSync('sh', ['-c', 'cat > "$0"', config], { input: body })
    write('default_roles: [viewer]\n')
    const gateway = await start({ flags: { 'audit.path': path, config } })
    await authorize(gateway, 'bob')
    await recorded(path, byAction('user_created'))
    write('default_roles: [viewer]\nadmin_roles: [secret-role-name]\nshutdown_timeout: 3s\n')
    renameSync(path, `${path}.1`)
    gateway.process.kill('SIGHUP')
    const reloaded = await recorded(path, byAction('configuration_reloaded'))
    assert.deepEqual(reloaded['elastauth.changed_keys'], ['admin_roles'])
    assert.deepEqual(reloaded['elastauth.ignored_keys'], ['shutdown_timeout'])
    assert.doesNotMatch(JSON.stringify(reloaded), /secret-role-name/)
    write('shutdown_timeout: never\n')
    renameSync(path, `${path}.2`)
    gateway.process.kill('SIGHUP')
    await recorded(path, byAction('configuration_rejected'))
    await gateway.stop()
    await assertIntact(`${path}.1`, `${path}.2`, path)
    const reordered = await verify(path, `${path}.1`)
    assert.equal(reordered.code, 1)
    assert.match(reordered.stdout, /is missing/)
  })

  test('a new process continues the file after one that was killed', async () => {
    const path = newPath()
    const first = await start({ flags: { 'audit.path': path } })
    await authorize(first, 'kim')
    await recorded(path, byAction('user_created'))
    first.process.kill('SIGKILL')
    const second = await start({ flags: { 'audit.path': path } })
    await second.stop()
    const { code, stdout } = await verify(path)
    assert.equal(code, 0, stdout)
    assert.match(stdout, /of 2 chains\n.*without a last record, .*: [0-9a-f]{16}\n/)
  })

  test('without its directory elastauth does not start, and says what to do', async () => {
    const { code, stderr } = await runElastauth(
      ['--audit.path', join(directory, 'missing', 'x'), '--listen', '127.0.0.1:0'],
      {
        ELASTAUTH_SECRET_KEY: testKey,
        ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true',
      },
    )
    assert.equal(code, 1)
    assert.match(stderr, /audit\.path {2}cannot be opened.*ENOENT.*create the directory/s)
  })
})

describe('a sink of the audit log that cannot be written', () => {
  for (const [what, path] of Object.entries({ 'a full disk': '/dev/full', 'a pipe without a reader': 'pipe' })) {
    test(`${what} delays no request, and the log and the metrics report it`, async () => {
      const target = path === 'pipe' ? newPipe() : path
      const gateway = await start({ flags: { 'audit.path': target, enable_metrics: 'true' } })
      for (let i = 0; i < 20; i++) assert.equal((await authorize(gateway, `user-${path.length}-${i}`)).status, 200)
      const down = await gateway.logged(({ 'event.action': action }) => action === 'audit_down')
      assert.match(String(down.message), /cannot be written to file: (?:ENOSPC|ENXIO)/)
      const closed = once(gateway.process, 'close') // after its last line was read
      await gateway.stop()
      await closed
      const lost = gateway.log.find(({ 'event.action': action }) => action === 'audit_events_lost')
      assert.match(String(lost?.message), /^the audit log \(file\) has lost 20 events: /)
    })
  }

  test('with audit.required, requests get 503 audit_unavailable while the sink is blocked, probes are served, and all events arrive later', async () => {
    const path = newPipe()
    const firstReader = runCommand('head', ['-n', '1', path])
    const gateway = await start({
      flags: {
        'audit.path': path,
        'audit.required': 'true',
        enable_metrics: 'true',
        'forward_auth.profile': 'generic',
      },
    })
    const { stdout: firstRecord } = await firstReader
    assert.equal((await authorize(gateway, 'early')).status, 200)
    await eventually(
      () => authorize(gateway, 'early'),
      ({ status }) => status === 503,
    )
    const response = await fetch(gateway.url, { headers: { 'Remote-User': 'early', Accept: 'application/json' } })
    assert.equal(response.status, 503)
    assert.match(await response.text(), /audit_unavailable/)
    assert.equal((await fetch(`${gateway.url}/elastauth/whoami`, { headers: { 'Remote-User': 'early' } })).status, 503)
    assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
    const ready = await fetch(`${gateway.url}/elastauth/ready`)
    assert.equal(ready.status, 503)
    assert.match(await ready.text(), /"audit":\s*"down"/)
    const isUp = 'elastauth_audit_sink_up{sink="file"}'
    assert.equal((await scrape(gateway.url))(isUp), 0)
    const reading = text(createReadStream(path))
    await eventually(
      () => authorize(gateway, 'late'),
      ({ status }) => status === 200,
    )
    assert.equal((await scrape(gateway.url))('elastauth_audit_events_dropped_total{sink="file"}'), 0)
    await untilSample(gateway.url, isUp, 1)
    await gateway.stop()
    const copy = newPath()
    execFileSync('sh', ['-c', 'cat > "$0"', copy], { input: firstRecord + (await reading) })
    const users = eventsIn(copy)
      .filter(byAction('user_created'))
      .map((event) => event['user.name'])
    assert.deepEqual(users, ['early', 'late'])
    await assertIntact(copy)
  })
})

test('audit.stdout writes the records between the lines of the log', async () => {
  const gateway = await start({ flags: { 'audit.stdout': 'true' } })
  await authorize(gateway, 'zoe')
  await gateway.stop()
  const path = newPath()
  const lines = gateway
    .output()
    .split('\n')
    .filter((line) => line.includes('"elastauth.audit.mac"'))
  execFileSync('sh', ['-c', 'cat > "$0"', path], { input: `${lines.join('\n')}\n` })
  assert.ok(actionsOf(eventsIn(path)).includes('user_created'))
  await assertIntact(path)
})

describe('audit.requests', async () => {
  const upstream = await startUpstream((message, response) => {
    message.resume().on('end', () => response.writeHead(message.url === '/bad/_search' ? 418 : 201).end('response'))
  })
  const path = newPath()
  const gateway = await startProxy(upstream.url, {
    flags: {
      'audit.path': path,
      'audit.requests': 'true',
      log_level: 'warn',
      listen: `127.0.0.1:${await findFreePort()}`,
    },
  })

  /** Sends a request and resolves to its event. */
  async function send(
    method: string,
    target: string,
    body: Buffer | string = '',
    headers: Record<string, string> = {},
  ) {
    const before = eventsIn(path).length
    await sendRequest(gateway, { method, target, body, headers: { 'Remote-User': 'eve', ...headers } })
    const events = await eventually(
      async () => eventsIn(path).slice(before),
      (all) => all.some(byAction('request_forwarded')),
    )
    return events.find(byAction('request_forwarded'))!
  }

  test('a forwarded request is recorded with its user, path, status, sizes and indices, without its query', async () => {
    const event = await send('POST', '/logs-*,b/_search?q=secret-query', '{"query":{"match":{"x":"secret-body"}}}')
    assert.equal(event['user.name'], 'eve')
    assert.equal(event['http.request.method'], 'POST')
    assert.equal(event['url.path'], '/logs-*,b/_search')
    assert.equal(event['http.response.status_code'], 201)
    assert.equal(event['event.outcome'], 'success')
    assert.deepEqual(event['elastauth.request.indices'], ['logs-*', 'b'])
    assert.equal(event['http.request.body.bytes'], 39)
    assert.equal(event['http.response.body.bytes'], 8)
    assert.ok((event['event.duration'] as number) > 0)
    assert.doesNotMatch(readFileSync(path, 'utf8'), /secret/)
  })

  test('indices come from the lines of a _bulk body', async () => {
    const body = '{"index":{"_index":"x"}}\n{"a":1}\n{"delete":{"_index":"y","_id":"1"}}\n'
    const event = await send('POST', '/_bulk', body)
    assert.deepEqual(event['elastauth.request.indices'], ['x', 'y'])
    assert.equal(event['elastauth.request.indices_incomplete'], undefined)
  })

  test('of a body longer than 64 KiB only the beginning is read, and the record says so', async () => {
    const item = (index: string) => `{"index":{"_index":"${index}"}}\n{"text":"${'x'.repeat(40_000)}"}\n`
    const body = ['first', 'second', 'third'].map(item).join('')
    const event = await send('POST', '/_bulk', body)
    assert.deepEqual(event['elastauth.request.indices'], ['first', 'second'])
    assert.equal(event['elastauth.request.indices_incomplete'], 'too_long')
    assert.equal(event['http.request.body.bytes'], body.length)
  })

  test('a compressed body is not read, and a malformed one fails no request', async () => {
    const compressed = await send('POST', '/a/_msearch', gzipSync('{"index":"b"}\n{}\n'), {
      'Content-Encoding': 'gzip',
    })
    assert.deepEqual(compressed['elastauth.request.indices'], ['a'])
    assert.equal(compressed['elastauth.request.indices_incomplete'], 'compressed')
    const malformed = await send('POST', '/_msearch', '{"index":')
    assert.equal(malformed['elastauth.request.indices'], undefined)
    assert.equal(malformed['elastauth.request.indices_incomplete'], 'malformed')
  })

  test('names with control characters stay within their record', async () => {
    const name = 'a%0A%7B%22event.action%22:%22x%22%7D%1B%5B31m'
    const event = await send('GET', `/${name}/_search`)
    assert.deepEqual(event['elastauth.request.indices'], ['a\\u000a{"event.action":"x"}\\u001b[31m'])
  })

  test('an error of the upstream is a failure', async () => {
    assert.equal((await send('GET', '/bad/_search'))['event.outcome'], 'failure')
  })

  test('a denied request is an access_denied event, and not a forwarded one', async () => {
    const before = eventsIn(path).length
    await sendRequest(gateway, { method: 'GET', target: '/x/_search', body: '', headers: { 'Remote-User': 'elastic' } })
    const event = await recorded(path, byAction('access_denied'))
    assert.equal(event['event.reason'], 'user_reserved')
    assert.deepEqual(actionsOf(eventsIn(path).slice(before)), ['access_denied'])
  })

  test('the whole file is intact', async () => {
    await gateway.stop()
    await assertIntact(path)
  })
})

test('no secret of the configuration or of a request is in any sink of the audit log', async () => {
  const secrets = {
    key: 'a11ce'.padEnd(64, '0123456789abcdef'),
    proxySecret: 'proxy-secret-0815-0815',
    password: 'service-password-4711',
    apiKey: 'audit-api-key-3141',
    query: 'query-token-5678',
    cookie: 'cookie-value-1234',
    bearer: 'bearer-token-9876',
    body: 'body-text-3456',
  }
  const received: string[] = []
  const store = await startUpstream(async (message, response) => {
    received.push(await text(message))
    response.setHeader('X-elastic-product', 'Elasticsearch').setHeader('Content-Type', 'application/json')
    response.end('{"errors":false}')
  })
  const upstream = await startUpstream((message, response) => message.resume().on('end', () => response.end()))
  const path = newPath()
  const gateway = await startProxy(upstream.url, {
    flags: {
      'audit.path': path,
      'audit.stdout': 'true',
      'audit.requests': 'true',
      'audit.elasticsearch.hosts': store.url,
      log_level: 'trace',
    },
    env: {
      ELASTAUTH_SECRET_KEY: secrets.key,
      ELASTAUTH_PROXY_SECRET: secrets.proxySecret,
      ELASTAUTH_AUDIT_ELASTICSEARCH_API_KEY: secrets.apiKey,
    },
  })
  const headers = {
    'Remote-User': 'mia',
    Cookie: `sid=${secrets.cookie}`,
    'X-Api-Key': secrets.apiKey,
    Authorization: `Bearer ${secrets.bearer}`,
  }
  for (const proxySecret of [secrets.proxySecret, `${secrets.proxySecret}x`])
    for (const target of ['/a/_search', '/_bulk', '/_security/user/_password', '/_msearch'])
      await sendRequest(gateway, {
        method: 'POST',
        target: `${target}?token=${secrets.query}`,
        body: `{"index":{"_index":"a"}}\n{"text":"${secrets.body}"}\n`,
        headers: { ...headers, 'X-Elastauth-Proxy-Secret': proxySecret },
      })
  // At its end, elastauth waits only 2 s for the last write.
  const recordsIn = (content: string) => content.match(/"(?:access_denied|identity_rejected)"/g)?.length
  await eventually(
    async () => [recordsIn(received.join('')), recordsIn(readFileSync(path, 'utf8'))],
    ([inElasticsearch, inFile]) => inFile !== undefined && inElasticsearch === inFile,
  )
  await gateway.stop()
  const actions = new Set(actionsOf(eventsIn(path)))
  for (const action of ['request_forwarded', 'identity_rejected', 'access_denied'])
    assert.ok(actions.has(action), action)
  const sinks = { file: readFileSync(path, 'utf8'), stdout: gateway.output(), elasticsearch: received.join('') }
  for (const [name, content] of Object.entries(sinks)) {
    assert.match(content, /request_forwarded/, name)
    for (const [what, secret] of Object.entries(secrets)) {
      assert.ok(!content.includes(secret), `${what} in ${name}`)
      assert.ok(!content.includes(Buffer.from(secret).toString('base64').replace(/=+$/, '')), `${what} in ${name}`)
    }
  }
})

test('elastauth audit verify exits with 2 if it cannot verify, and with 1 if a line was changed', async () => {
  const path = newPath()
  const gateway = await start({ flags: { 'audit.path': path } })
  await authorize(gateway, 'val')
  await gateway.stop()
  assert.equal((await verify(join(directory, 'missing'))).code, 2)
  assert.equal((await verify('/dev/null')).code, 2)
  assert.equal((await runElastauth(['audit', 'verify', path], {})).code, 2)
  const usage = await runElastauth(['audit', 'verify'], {})
  assert.deepEqual([usage.code, /needs a file/.test(usage.stderr)], [2, true])
  const changed = newPath()
  const content = readFileSync(path, 'utf8')
  execFileSync('sh', ['-c', 'cat > "$0"', changed], { input: content.replace('"val"', '"eve"') })
  const { code, stdout } = await verify(changed)
  assert.equal(code, 1)
  assert.match(stdout, new RegExp(`^${changed}:\\d+: record \\d+ of chain .* was changed`))
  assert.match(stdout, /Not detectable: /)
  const other = await runElastauth(['audit', 'verify', path], { ELASTAUTH_SECRET_KEY: 'ab'.repeat(32) })
  assert.equal(other.code, 1)
  assert.match(other.stdout, /previous_secret_keys/)
  const both = { ELASTAUTH_SECRET_KEY: 'ab'.repeat(32), ELASTAUTH_PREVIOUS_SECRET_KEYS: testKey }
  assert.equal((await runElastauth(['audit', 'verify', path], both)).code, 0)
})

function newPipe(): string {
  const path = newPath()
  execFileSync('mkfifo', [path])
  return path
}

type Request = Readonly<{ method: string; target: string; body: Buffer | string; headers: Record<string, string> }>

async function sendRequest({ url }: Pick<Gateway, 'url'>, { method, target, body, headers }: Request): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const outgoing = request(url, {
    method,
    path: target,
    headers: { 'Content-Length': Buffer.byteLength(body), ...headers },
  })
  outgoing
    .on('response', (response) => response.resume().on('end', () => resolve(response.statusCode!)))
    .on('error', reject)
  outgoing.end(body)
  return promise
}
