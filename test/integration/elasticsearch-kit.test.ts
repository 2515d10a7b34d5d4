import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { Client } from '@elastic/elasticsearch'
import { hashPassword } from '../../src/auth/credentials/password-writer.ts'
import { callElasticsearch, type RequestOptions, type Target } from '../support/elasticsearch/call-elasticsearch.ts'
import { findElasticsearch, startElasticsearch } from '../support/elasticsearch/elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'

// The fake Elasticsearch must respond as a real node does: one suite runs against both.
const elasticsearch = await useElasticsearch()
const fakeElasticsearch = createFakeElasticsearch()
/** Its base64 contains a plus sign and a slash. */
const salt = Buffer.alloc(32, Buffer.from('+/+/', 'base64'))
const kit = { username: 'kit', password: 'secret-1' }
const fakeTarget: Target = { url: '', username: 'elastic', password: 'changeme' }

describe('the fake Elasticsearch', () => {
  before(async () => {
    fakeTarget.url = await fakeElasticsearch.listen()
  })
  contract(() => fakeTarget)
  after(() => fakeElasticsearch.close())
})

describe('a real node', { skip: elasticsearch.skip }, () => contract(() => elasticsearch.node))

describe('a test node', async () => {
  const found = await findElasticsearch({ own: true })
  const skip = found.kind === 'none' && found.reasons.join('; ')

  test('a test node uses TLS with its own CA, keeps its port and data over a restart, can be paused, and stops completely', {
    skip,
  }, async () => {
    const node = await startElasticsearch({ own: true, tls: true, password: 'another-one' })
    try {
      assert.match(node.url, /^https:/)
      await assert.rejects(
        callElasticsearch({ url: node.url, username: node.username, password: node.password }, '/'),
        /certificate/,
      )
      const put = { method: 'PUT', body: { password: 'secret-1', roles: [] } }
      assert.equal((await callElasticsearch(node, '/_security/user/kit', put)).status, 200)

      await node.pause()
      await assert.rejects(callElasticsearch(node, '/', { timeoutMs: 500 }), { name: 'AbortError' })
      await node.resume()
      assert.equal((await callElasticsearch(node, '/')).body.version.number, node.version)

      await node.stop({ keepData: true })
      await assert.rejects(callElasticsearch(node, '/'), { code: 'ECONNREFUSED' })
      await node.start()
      assert.equal((await callElasticsearch(node, '/_security/_authenticate', { as: kit })).status, 200)
    } finally {
      await node.stop()
    }
    await assert.rejects(callElasticsearch(node, '/'), { code: 'ECONNREFUSED' })
  })

  test('a test node stops when its parent process is killed', {
    skip: found.kind === 'java' ? false : 'not on a JDK',
  }, async () => {
    const kit = JSON.stringify(new URL('../support/elasticsearch/elasticsearch.ts', import.meta.url).href)
    const program = `const { startElasticsearch } = await import(${kit})
      const node = await startElasticsearch({ own: true, kind: 'java' })
      console.log(node.url)`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string]
    const node = { url: line.trim(), username: 'elastic', password: 'changeme' }
    assert.equal((await callElasticsearch(node, '/')).status, 200)
    parent.kill('SIGKILL')
    for (let isUp = true; isUp; ) {
      isUp = await callElasticsearch(node, '/').then(
        () => true,
        (error) => error.code !== 'ECONNREFUSED',
      )
    }
  })
})

describe('with-elasticsearch.ts', () => {
  const withoutPrograms = { PATH: import.meta.dirname, HOME: import.meta.dirname }
  const runner = join(import.meta.dirname, '../support/elasticsearch/with-elasticsearch.ts')
  const run = async (environment: NodeJS.ProcessEnv, code: string) => {
    const env = { ...withoutPrograms, ...environment }
    const child = spawn(process.execPath, [runner, '--', process.execPath, '-e', code], { env })
    const output = Promise.all([text(child.stdout), text(child.stderr)])
    const [status] = await once(child, 'close')
    const [stdout, stderr] = await output
    return { status, stdout, stderr }
  }

  test("without a node, with-elasticsearch.ts prints the reasons, runs the command, and exits with the command's exit code", async () => {
    const result = await run({}, 'console.log(process.env.ELASTICSEARCH_URL); process.exit(7)')
    assert.deepEqual([result.status, result.stdout], [7, 'undefined\n'])
    assert.match(result.stderr, /external: ELASTICSEARCH_URL is not set\n.*docker: no docker command\n.*java: no java/)
  })

  test('without a node and with REQUIRE_ELASTICSEARCH=1, with-elasticsearch.ts fails without running the command', async () => {
    const result = await run({ REQUIRE_ELASTICSEARCH: '1' }, 'console.log("ran")')
    assert.deepEqual([result.status, result.stdout], [1, ''])
  })

  test('with-elasticsearch.ts passes an external node and a signal on to the command', async () => {
    const external = createFakeElasticsearch()
    const url = await external.listen()
    const code =
      'console.log(process.env.ELASTICSEARCH_URL); process.kill(process.ppid, "SIGTERM"); setInterval(() => {}, 1000)'
    const result = await run({ ELASTICSEARCH_URL: url }, code)
    assert.deepEqual([result.status, result.stdout], [128 + 15, `${url}\n`])
    await external.close()
  })
})

function contract(target: () => Target): void {
  const unique = `${process.pid}-${Date.now().toString(36)}`
  const used = new Set<string>()
  const name = (word: string) => {
    used.add(`kit-${word}-${unique}`)
    return `kit-${word}-${unique}`
  }
  const to = (path: string, options?: RequestOptions) => callElasticsearch(target(), path, options)
  const user = (username: string) => `/_security/user/${username}`
  const put = (username: string, body: unknown, more: RequestOptions = {}) =>
    to(user(username), { method: 'PUT', body, ...more })
  const logIn = (username: string, password: string) => to('/_security/_authenticate', { as: { username, password } })
  const reasonOf = (response: { body: { error: { type: string; reason: string; root_cause: unknown[] } } }) => {
    const { type, reason, root_cause } = response.body.error
    assert.equal(root_cause.length, 1)
    return `${type}: ${reason}`
  }
  after(async () => {
    for (const username of used) await to(user(username), { method: 'DELETE' })
  })

  test('a created user is read with the fields that were written', async () => {
    const bob = name('bob')
    const profile = {
      roles: ['viewer', 'nosuch'],
      full_name: 'Bob B',
      email: 'bob@example.org',
      metadata: { a: { b: [1] } },
    }
    const created = await put(bob, { password: 'secret-1', ...profile })
    assert.deepEqual([created.status, created.body], [200, { created: true }])
    assert.equal(created.headers['x-elastic-product'], 'Elasticsearch')
    assert.equal(created.headers['content-type'], 'application/json')
    const read = await to(user(bob))
    assert.deepEqual([read.status, read.body], [200, { [bob]: { username: bob, ...profile, enabled: true } }])
  })

  test('an update without a password keeps the password, and replaces the other fields', async () => {
    const carol = name('carol')
    await put(carol, { password: 'secret-1', roles: ['viewer'], full_name: 'Carol', metadata: { a: 1 } })
    const updated = await put(carol, { roles: ['editor'] })
    assert.deepEqual([updated.status, updated.body], [200, { created: false }])
    const login = await logIn(carol, 'secret-1')
    const realm = { name: 'default_native', type: 'native' }
    assert.deepEqual(login.body, {
      ...{ username: carol, roles: ['editor'], full_name: null, email: null, metadata: {}, enabled: true },
      ...{ authentication_realm: realm, lookup_realm: realm, authentication_type: 'realm' },
    })
  })

  test('a new password invalidates the old password', async () => {
    const dave = name('dave')
    await put(dave, { password: 'secret-1', roles: [] })
    await put(dave, { password: 'secret-2', roles: [] })
    assert.deepEqual([(await logIn(dave, 'secret-1')).status, (await logIn(dave, 'secret-2')).status], [401, 200])
    const changed = await to(`${user(dave)}/_password`, { method: 'POST', body: { password: 'secret-3' } })
    assert.deepEqual([changed.status, changed.body], [200, {}])
    assert.deepEqual([(await logIn(dave, 'secret-2')).status, (await logIn(dave, 'secret-3')).status], [401, 200])
  })

  test('a password sent as a hash is valid, and the next password replaces it', async () => {
    const ivan = name('ivan')
    await put(ivan, { password_hash: await hashPassword('secret-1', salt), roles: [] })
    assert.equal((await logIn(ivan, 'secret-1')).status, 200)
    await put(ivan, { password_hash: await hashPassword('secret-2', salt), roles: [] })
    assert.deepEqual([(await logIn(ivan, 'secret-1')).status, (await logIn(ivan, 'secret-2')).status], [401, 200])
    const body = { password_hash: await hashPassword('secret-3', salt) }
    const changed = await to(`${user(ivan)}/_password`, { method: 'POST', body })
    assert.deepEqual([changed.status, changed.body], [200, {}])
    assert.deepEqual([(await logIn(ivan, 'secret-2')).status, (await logIn(ivan, 'secret-3')).status], [401, 200])
    await put(ivan, { password: 'secret-3', roles: [] })
    assert.equal((await logIn(ivan, 'secret-3')).status, 200)
  })

  test('a hash in another base64 variant is accepted, but matches no password', async () => {
    const judy = name('judy')
    const hash = await hashPassword('secret-1', salt)
    assert.match(hash, /[+/].*=/, 'the hash contains characters that the variants write differently')
    for (const other of [hash.replaceAll('+', '-').replaceAll('/', '_'), hash.replaceAll('=', '')]) {
      assert.equal((await put(judy, { password_hash: other, roles: [] })).status, 200)
      assert.equal((await logIn(judy, 'secret-1')).status, 401)
    }
  })

  test('a hash of an unknown algorithm is rejected with 400 and that reason', async () => {
    const known =
      /^illegal_argument_exception: The provided password hash is not a hash or it could not be resolved to a supported hash algorithm\. The supported password hash algorithms are \[bcrypt, .*\bpbkdf2_1000\b/
    for (const hash of ['', 'nonsense', '{SSHA256}c2FsdHNhbHQ=']) {
      const response = await put(name('kim'), { password_hash: hash, roles: [] })
      assert.equal(response.status, 400)
      assert.match(reasonOf(response), known)
    }
    const few = (await hashPassword('secret-1', salt)).replace('1000', '500')
    const response = await put(name('kim'), { password_hash: few, roles: [] })
    assert.deepEqual(
      [response.status, reasonOf(response)],
      [400, 'illegal_argument_exception: unknown hash function [pbkdf2_500]'],
    )
  })

  test('a request with both a plain-text password and a password hash is rejected with 400', async () => {
    const password_hash = await hashPassword('secret-1', salt)
    for (const body of [
      { password: 'secret-1', password_hash, roles: [] },
      { password_hash, password: 'secret-1', roles: [] },
    ]) {
      const response = await put(name('both'), body)
      const reason = 'validation_exception: Validation Failed: 1: password_hash has already been set;'
      assert.deepEqual([response.status, reasonOf(response)], [400, reason])
    }
  })

  test('a request for an unknown user gets 404 with an empty object', async () => {
    const response = await to(user(name('missing')))
    assert.deepEqual([response.status, response.body], [404, {}])
  })

  test('a deleted user cannot log in, and a second deletion gets 404', async () => {
    const erin = name('erin')
    await put(erin, { password: 'secret-1', roles: [] })
    const first = await to(user(erin), { method: 'DELETE' })
    const second = await to(user(erin), { method: 'DELETE' })
    assert.deepEqual(
      [first.status, first.body, second.status, second.body],
      [200, { found: true }, 404, { found: false }],
    )
    assert.equal((await logIn(erin, 'secret-1')).status, 401)
  })

  test('a wrong password, an unknown user and a missing credential get 401 with both challenges', async () => {
    const password = 'wrong-password'
    for (const as of [{ ...target(), password }, { username: name('ghost'), password }, null]) {
      const response = await to('/_security/_authenticate', { as })
      const path = '/_security/_authenticate'
      assert.equal(response.status, 401)
      assert.equal(
        reasonOf(response),
        as
          ? `security_exception: unable to authenticate user [${as.username}] for REST request [${path}]`
          : `security_exception: missing authentication credentials for REST request [${path}]`,
      )
      const challenges = ['Basic realm="security", charset="UTF-8"', 'ApiKey']
      assert.equal(response.headers['www-authenticate'], challenges.join(', '))
      assert.deepEqual(response.body.error.header, { 'WWW-Authenticate': challenges })
      assert.equal(response.headers['x-elastic-product'], undefined)
    }
  })

  test('a credential that is not base64 gets 401', async () => {
    const response = await to('/', { as: null, headers: { authorization: 'Basic !!!' } })
    assert.equal(response.status, 401)
    assert.equal(reasonOf(response), 'security_exception: invalid basic authentication header encoding')
  })

  test('a disabled user cannot log in until _enable or a PUT enables the user', async () => {
    const frank = name('frank')
    await put(frank, { password: 'secret-1', roles: [] })
    for (const enable of [() => to(`${user(frank)}/_enable`, { method: 'PUT' }), () => put(frank, { roles: [] })]) {
      const disabled = await to(`${user(frank)}/_disable`, { method: 'PUT' })
      assert.deepEqual([disabled.status, disabled.body], [200, {}])
      assert.equal((await logIn(frank, 'secret-1')).status, 401)
      assert.equal((await enable()).status, 200)
      assert.equal((await logIn(frank, 'secret-1')).status, 200)
    }
  })

  test('reserved users are marked as reserved, and cannot be written or deleted', async () => {
    for (const username of ['elastic', 'kibana', 'kibana_system']) {
      assert.equal((await to(user(username))).body[username].metadata._reserved, true)
      const rejected = await put(username, { password: 'secret-1', roles: [] })
      assert.equal(rejected.status, 400)
      const rule = `user [${username}] is reserved and only the password can be changed`
      assert.equal(reasonOf(rejected), `action_request_validation_exception: Validation Failed: 1: ${rule};`)
      const deletion = await to(user(username), { method: 'DELETE' })
      assert.equal(deletion.status, 400)
      assert.equal(
        reasonOf(deletion),
        `illegal_argument_exception: user [${username}] is reserved and cannot be deleted`,
      )
    }
  })

  test('an account without privileges gets 403 with the name of the missing action', async () => {
    const lowly = name('lowly')
    const unknown = name('unknown')
    await put(lowly, { password: 'secret-1', roles: [] })
    await put(unknown, { password: 'secret-1', roles: ['viewer', 'nosuch'] })
    const actions = 'cluster:admin/xpack/security/user'
    const body = { password: 'secret-2', roles: [] }
    const cases: [string, RequestOptions, string, string][] = [
      [user(lowly), { method: 'PUT', body }, `${actions}/put`, 'manage_security,all'],
      [user(lowly), {}, `${actions}/get`, 'read_security,manage_security,all'],
      [user(lowly), { method: 'DELETE' }, `${actions}/delete`, 'manage_security,all'],
      ['/', {}, 'cluster:monitor/main', 'monitor,manage,all'],
      ['/_cluster/health', {}, 'cluster:monitor/health', 'monitor,manage,all'],
    ]
    for (const [path, options, action, grantedBy] of cases) {
      for (const [username, roles] of [
        [lowly, '[]'],
        [unknown, '[viewer] (assigned roles [nosuch] were not found)'],
      ] as const) {
        const response = await to(path, { ...options, as: { username, password: 'secret-1' } })
        assert.equal(response.status, 403)
        const problem = `action [${action}] is unauthorized for user [${username}] with effective roles ${roles}`
        const reason = `${problem}, this action is granted by the cluster privileges [${grantedBy}]`
        assert.equal(reasonOf(response), `security_exception: ${reason}`)
        assert.equal(response.headers['x-elastic-product'], undefined)
      }
    }
  })

  test('_has_privileges reports the privileges of the caller', async () => {
    const body = { cluster: ['manage_security', 'monitor'] }
    const lowly = name('lowly')
    await put(lowly, { password: 'secret-1', roles: [] })
    const path = '/_security/user/_has_privileges'
    const granted = await to(path, { method: 'POST', body })
    assert.equal(granted.body.has_all_requested, true)
    const unprivileged = await to(path, { method: 'POST', body, as: { username: lowly, password: 'secret-1' } })
    assert.deepEqual(unprivileged.body, {
      ...{ username: lowly, has_all_requested: false, index: {}, application: {} },
      cluster: { manage_security: false, monitor: false },
    })
  })

  const invalid: [string, unknown, string][] = [
    [
      'no roles',
      { password: 'secret-1' },
      'action_request_validation_exception: Validation Failed: 1: roles are missing;',
    ],
    [
      'an unknown field',
      { roles: [], bogus: 1 },
      'parse_exception: failed to parse add user request. unexpected field [bogus]',
    ],
    [
      'a number as email',
      { roles: [], email: 5 },
      'parse_exception: expected field [email] to be of type string, but found [VALUE_NUMBER] instead',
    ],
    [
      'a string as metadata',
      { roles: [], metadata: 's' },
      'parse_exception: expected field [metadata] to be of type object, but found [VALUE_STRING] instead',
    ],
    [
      'a string as enabled',
      { roles: [], enabled: 'no' },
      'parse_exception: expected field [enabled] to be of type boolean, but found [VALUE_STRING] instead',
    ],
    [
      'null as roles',
      { roles: null },
      'parse_exception: could not parse [roles] field. expected a string array but found null value instead',
    ],
    [
      'a number among the roles',
      { roles: [5] },
      'parse_exception: could not parse [null] field. expected a string array but one of the value in the array is [VALUE_NUMBER]',
    ],
    [
      'reserved metadata',
      { password: 'secret-1', roles: [], metadata: { _x: 1 } },
      'action_request_validation_exception: Validation Failed: 1: metadata keys may not start with [_];',
    ],
    [
      'a short password',
      { password: 'abc', roles: [] },
      'validation_exception: Validation Failed: 1: passwords must be at least [6] characters long;',
    ],
    [
      'a new name but no password',
      { roles: [] },
      'validation_exception: Validation Failed: 1: password must be specified unless you are updating an existing user;',
    ],
    ['an array as the body', [], 'parse_exception: expected an object, but found token [START_ARRAY]'],
    ['no body', undefined, 'parse_exception: request body is required'],
  ]
  for (const [what, body, reason] of invalid) {
    test(`a request to write a user with ${what} is rejected with 400`, async () => {
      const response = await put(name('invalid'), body)
      assert.equal(response.status, 400)
      assert.equal(reasonOf(response), reason)
    })
  }

  test('a name with characters outside printable ASCII, or with a leading or trailing blank, is rejected with 400', async () => {
    for (const invalidName of ['b%C3%A9', '%20bob', 'bob%20']) {
      const response = await put(invalidName, { password: 'secret-1', roles: [] })
      assert.equal(response.status, 400)
      assert.match(
        reasonOf(response),
        /^action_request_validation_exception: .*User names must be at least 1 and no more than 507/,
      )
    }
  })

  test('an invalid body gets 400 even without privileges, and a wrong password gets 401 first', async () => {
    const lowly = name('lowly')
    await put(lowly, { password: 'secret-1', roles: [] })
    const statusFor = async (password: string) => (await put(lowly, {}, { as: { username: lowly, password } })).status
    assert.deepEqual([await statusFor('secret-1'), await statusFor('wrong-one')], [400, 401])
  })

  test('an unsupported method gets 405 with the supported methods', async () => {
    const cases = [
      ['HEAD', '/_cluster/health', 'GET'],
      ['PATCH', user(name('bob')), 'GET,POST,PUT,DELETE'],
    ] as const
    for (const [method, path, allowed] of cases) {
      const response = await to(path, { method })
      assert.deepEqual([response.status, response.headers.allow], [405, allowed])
    }
  })

  test("Elasticsearch's own media type is supported; another version, only one of the two headers, and text are rejected", async () => {
    const vendor = (version: number) => `application/vnd.elasticsearch+json; compatible-with=${version}`
    const both = { 'content-type': vendor(8), accept: vendor(8) }
    const gina = name('gina')
    const created = await put(gina, { password: 'secret-1', roles: [] }, { headers: both })
    assert.equal(created.status, 200)
    assert.equal(created.headers['content-type'], 'application/vnd.elasticsearch+json;compatible-with=8')
    const statusFor = async (headers: Record<string, string>) => (await put(gina, { roles: [] }, { headers })).status
    const later = Number((await to('/')).body.version.number.split('.')[0]) + 1
    assert.equal(await statusFor({ 'content-type': vendor(later), accept: vendor(later) }), 400)
    assert.equal(await statusFor({ 'content-type': vendor(8) }), 400)
    assert.equal(await statusFor({ 'content-type': 'text/plain' }), 406)
    assert.equal(await statusFor({ 'content-type': 'application/json; charset=utf-8', accept: '*/*' }), 200)
  })

  test('the official client recognizes the server as Elasticsearch', async () => {
    const { url: node, username, password, caCert } = target()
    const tls = caCert ? { tls: { ca: caCert } } : {}
    const client = new Client({ node, auth: { username, password }, maxRetries: 0, ...tls })
    const henry = name('henry')
    assert.deepEqual(await client.security.putUser({ username: henry, password: 'secret-1', roles: [] }), {
      created: true,
    })
    assert.equal((await client.security.getUser({ username: henry }))[henry]?.username, henry)
    assert.equal((await client.security.authenticate()).username, username)
    await client.close()
  })
}
