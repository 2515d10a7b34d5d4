import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { hashPassword } from '../../../src/auth/credentials/password-writer.ts'
import { createCall } from '../../../src/es/call.ts'
import { createElasticsearchClient, type ElasticsearchOptions } from '../../../src/es/client.ts'
import { createPasswordHashing } from '../../../src/es/password-hashing.ts'
import { createPing, createPrivilegeCheck } from '../../../src/es/service-account.ts'
import { createDryRunUsers, createUsers } from '../../../src/es/users.ts'
import { createDeadlines, type Deadlines } from '../../support/deadlines.ts'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'
import { createFakeElasticsearch, type FakeElasticsearch } from '../../support/fake-elasticsearch/fake-elasticsearch.ts'

const serviceAccount = { username: 'elastic', password: 'changeme', insecureSkipVerify: false, timeoutMs: 60_000 }
const bob = {
  password: "bob's password",
  roles: ['viewer'],
  full_name: 'Bob',
  email: 'bob@example.com',
  metadata: { elastauth: { version: 1 } },
}

/** All calls to Elasticsearch; the client is closed after the test. */
function connect(options: Partial<ElasticsearchOptions> & Pick<ElasticsearchOptions, 'hosts'>) {
  const client = createElasticsearchClient({ ...serviceAccount, ...options })
  const hashing = createPasswordHashing('pbkdf2_1000', (rejection) => void rejections.push(rejection))
  const call = createCall({ monotonicNow: () => performance.now() })
  toClose.push(() => client.close())
  return {
    ...createUsers(() => client, call, hashing),
    ping: createPing(() => client, call),
    checkPrivilege: createPrivilegeCheck(() => client, call),
  }
}

const toClose: (() => unknown)[] = []
const rejections: unknown[] = []
let elasticsearch: FakeElasticsearch
let url: string

beforeEach(async () => {
  elasticsearch = createFakeElasticsearch({ accounts: { lowly: { password: 'changeme' } } })
  url = await elasticsearch.listen()
  toClose.push(elasticsearch.close)
})
afterEach(async () => {
  rejections.length = 0
  for (const close of toClose.splice(0).reverse()) await close()
})

test('no write of a user refreshes the index of users, which takes longer than the write', async () => {
  const targets: string[] = []
  const server = http.createServer((request, response) => {
    targets.push(`${request.method} ${request.url}`)
    const body =
      request.method === 'DELETE' ? { found: true } : request.url!.includes('_password') ? {} : { created: true }
    request
      .resume()
      .on('end', () =>
        response
          .writeHead(200, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' })
          .end(JSON.stringify(body)),
      )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  toClose.push(() => server.close())
  const users = connect({ hosts: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] })
  await users.put('bob', bob)
  await users.setPassword('bob', bob)
  await users.delete('bob')
  assert.deepEqual(targets, [
    'PUT /_security/user/bob?refresh=false',
    'PUT /_security/user/bob/_password?refresh=false',
    'DELETE /_security/user/bob?refresh=false',
  ])
})

/** A node that responds with 400 to every `password_hash`, and the bodies that it has received. */
async function startHashRejectingNode(error: unknown): Promise<{ url: string; bodies: Record<string, unknown>[] }> {
  const bodies: Record<string, unknown>[] = []
  const server = http.createServer(async (request, response) => {
    bodies.push((await json(request)) as Record<string, unknown>)
    const isRejected = 'password_hash' in bodies.at(-1)!
    response
      .writeHead(isRejected ? 400 : 200, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' })
      .end(JSON.stringify(isRejected ? { error, status: 400 } : { created: true }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  toClose.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies }
}

describe('users', () => {
  test('get returns undefined for an absent user', async () => {
    assert.equal(await connect({ hosts: [url] }).get('bob'), undefined)
  })

  for (const username of ['constructor', 'toString', 'valueOf', 'hasOwnProperty']) {
    test(`get returns undefined for an absent user named ${username}`, async () => {
      assert.equal(await connect({ hosts: [url] }).get(username), undefined)
    })
  }

  test('get returns the user that put has written, with that password', async () => {
    const users = connect({ hosts: [url] })
    await users.put('bob', bob)
    assert.deepEqual(await users.get('bob'), {
      reserved: false,
      enabled: true,
      roles: ['viewer'],
      full_name: 'Bob',
      email: 'bob@example.com',
      metadata: bob.metadata,
    })
    assert.equal(elasticsearch.users.get('bob')?.password, bob.password)
    assert.equal(elasticsearch.users.get('bob')?.full_name, 'Bob')
  })

  test('put enables a disabled user, unless the user is written as disabled', async () => {
    const users = connect({ hosts: [url] })
    await users.put('bob', { ...bob, enabled: false })
    assert.equal((await users.get('bob'))?.enabled, false)
    await users.put('bob', bob)
    assert.equal((await users.get('bob'))?.enabled, true)
  })

  test('put sends the hash instead of the password, and the password is accepted', async () => {
    const users = connect({ hosts: [url] })
    const passwordHash = await hashPassword(bob.password, Buffer.alloc(32, 0xfb))
    await users.put('bob', { ...bob, passwordHash })
    assert.equal(elasticsearch.users.get('bob')?.password, passwordHash)
    assert.ok(await users.authenticate('bob', bob.password))
    assert.equal(await users.authenticate('bob', passwordHash), undefined)
  })

  for (const reason of [
    'The provided password hash is not a hash or it could not be resolved to a supported hash algorithm. The supported password hash algorithms are [bcrypt]',
    'unknown hash function [pbkdf2_1000]',
    'Provided password hash uses [PBKDF2_1000] but the configured hashing algorithm is [BCRYPT]',
  ]) {
    test(`put switches to plain-text passwords after a 400 "${reason.slice(0, 40)}…"`, async () => {
      const { url: node, bodies } = await startHashRejectingNode({ type: 'illegal_argument_exception', reason })
      const users = connect({ hosts: [node] })
      for (let i = 0; i < 3; i++) await users.put('bob', { ...bob, passwordHash: 'a hash' })
      const sent = bodies.map(({ password, password_hash }) => password ?? password_hash)
      assert.deepEqual(sent, ['a hash', bob.password, bob.password, bob.password])
      assert.deepEqual(rejections, [{ reason, isFirst: true }])
    })
  }

  test('concurrent writes whose hashes are rejected all send plain-text passwords, and only one rejection is reported as the first', async () => {
    elasticsearch.faults.rejectHash = true
    const release = elasticsearch.holdWrites()
    const users = connect({ hosts: [url] })
    const all = Promise.all(['a', 'b', 'c'].map((name) => users.put(name, { ...bob, passwordHash: 'a hash' })))
    await elasticsearch.whenHeld(3)
    release()
    await all
    for (const name of ['a', 'b', 'c']) assert.equal(elasticsearch.users.get(name)?.password, bob.password)
    assert.deepEqual(
      rejections.map((rejection) => (rejection as { isFirst: boolean }).isFirst),
      [true, false, false],
    )
  })

  for (const error of [
    { type: 'validation_exception', reason: 'Validation Failed: 1: password_hash has already been set;' },
    { type: 'parse_exception', reason: 'The provided password hash is not a hash' },
    { type: 'illegal_argument_exception', reason: 'user [bob] has unknown hash function [x]' },
    { type: 'illegal_argument_exception', reason: ['unknown hash function [x]'] },
    { type: 'illegal_argument_exception' },
  ]) {
    test(`put does not switch to plain-text passwords after another 400: ${JSON.stringify(error)}`, async () => {
      const { url: node, bodies } = await startHashRejectingNode(error)
      const put = connect({ hosts: [node] }).put('bob', { ...bob, passwordHash: 'a hash' })
      await assert.rejects(put, { code: 'elasticsearch_rejected', detail: /responded with 400/ })
      assert.equal(bodies.length, 1)
      assert.deepEqual(rejections, [])
    })
  }

  test('get says whether a user is reserved or disabled', async () => {
    const users = connect({ hosts: [url] })
    assert.equal((await users.get('elastic'))?.reserved, true)
    elasticsearch.users.set('bob', { ...bob, enabled: false })
    assert.equal((await users.get('bob'))?.enabled, false)
  })

  for (const username of ['bob@example.com', 'bob+x', 'b.o.b', '...', '-', '@', 'a%2e', 'a/b', 'a?b', 'a#b', 'a b']) {
    test(`get encodes the username ${username} as one path segment`, async () => {
      await connect({ hosts: [url] }).get(username)
      assert.equal(elasticsearch.calls[0]?.path, `/_security/user/${encodeURIComponent(username)}`)
    })
  }

  test('authenticate logs in as the user, not as the service account', async () => {
    const users = connect({ hosts: [url] })
    await users.put('bob', bob)
    assert.deepEqual(await users.authenticate('bob', bob.password), { roles: ['viewer'], metadata: bob.metadata })
    assert.deepEqual(elasticsearch.calls.at(-1), {
      ...elasticsearch.calls.at(-1)!,
      path: '/_security/_authenticate',
      username: 'bob',
    })
    assert.equal(await users.authenticate('bob', 'wrong!'), undefined)
    assert.equal(await users.authenticate('absent', bob.password), undefined)
    elasticsearch.users.set('bob', { ...elasticsearch.users.get('bob')!, enabled: false })
    assert.equal(await users.authenticate('bob', bob.password), undefined)
  })

  test('authenticate rejects while Elasticsearch is unavailable', async () => {
    elasticsearch.faults.response = 'unavailable'
    await assert.rejects(connect({ hosts: [url] }).authenticate('bob', 'x'), { code: 'elasticsearch_unavailable' })
  })

  test("put without the privilege to manage users is elasticsearch_rejected with Elasticsearch's reason", async () => {
    elasticsearch.faults.forbidPut = true
    const put = connect({ hosts: [url] }).put('bob', bob)
    await assert.rejects(put, {
      code: 'elasticsearch_rejected',
      detail: /user\/put\] is unauthorized for user \[elastic\]/,
    })
  })

  test('the error for a wrong password of the service account does not contain the password', async () => {
    const get = connect({ hosts: [url], password: 'hunter2-wrong' }).get('bob')
    await assert.rejects(get, (error: Error) => !`${error.stack} ${JSON.stringify(error)}`.includes('hunter2'))
  })

  test('a dry run finds no users, accepts writes and makes no calls', async () => {
    const users = createDryRunUsers()
    assert.equal(await users.get('bob'), undefined)
    await users.put('bob', bob)
    assert.equal(await users.authenticate('bob', 'x'), undefined)
  })
})

describe('the service account', () => {
  test('ping resolves with the right password of the service account, and rejects with a wrong password', async () => {
    await connect({ hosts: [url] }).ping()
    await assert.rejects(connect({ hosts: [url], password: 'wrong' }).ping(), { code: 'elasticsearch_unavailable' })
  })

  test('the privilege check without manage_security names the account and the privilege', async () => {
    await connect({ hosts: [url] }).checkPrivilege()
    const lowly = connect({ hosts: [url], username: 'lowly' })
    await assert.rejects(lowly.checkPrivilege(), {
      code: 'elasticsearch_rejected',
      detail: /lowly lacks .*manage_security/,
    })
  })
})

describe('several Elasticsearch hosts', () => {
  test('every call to Elasticsearch succeeds if one of two hosts is down', async () => {
    const down = createFakeElasticsearch()
    const downUrl = await down.listen()
    await down.close()
    const users = connect({ hosts: [downUrl, url] })
    for (let i = 0; i < 4; i++) assert.equal(await users.get('bob'), undefined)
  })

  test('every call to Elasticsearch succeeds if one of two hosts responds with 503', async () => {
    const unavailable = createFakeElasticsearch()
    toClose.push(unavailable.close)
    unavailable.faults.response = 'unavailable'
    const users = connect({ hosts: [await unavailable.listen(), url] })
    for (let i = 0; i < 4; i++) await users.put('bob', bob)
    assert.ok(elasticsearch.users.has('bob'))
  })

  /** Makes a node hang. Each of its calls times out when it has arrived. */
  function hang({ faults }: FakeElasticsearch, deadlines: Deadlines): void {
    faults.response = 'hang'
    faults.concerns = () => {
      deadlines.pass()
      return true
    }
  }

  test('every call to Elasticsearch succeeds if one of two hosts does not respond', async (t) => {
    const hanging = createFakeElasticsearch()
    toClose.push(hanging.close)
    hang(hanging, createDeadlines(t))
    const users = connect({ hosts: [await hanging.listen(), url] })
    for (let i = 0; i < 4; i++) assert.equal(await users.get('bob'), undefined)
  })

  test('every call to Elasticsearch succeeds if two of three hosts are down', async () => {
    const down = await Promise.all(
      [1, 2].map(async () => {
        const node = createFakeElasticsearch()
        const address = await node.listen()
        await node.close()
        return address
      }),
    )
    const users = connect({ hosts: [...down, url] })
    for (let i = 0; i < 4; i++) assert.equal(await users.get('bob'), undefined)
  })

  test('40 concurrent writes use 16 connections per Elasticsearch host, and all arrive', async () => {
    const release = elasticsearch.holdWrites()
    const { put } = connect({ hosts: [url] })
    const all = Promise.all(Array.from({ length: 40 }, (_, i) => put(`user-${i}`, bob)))
    await elasticsearch.whenHeld(16)
    const other = connect({ hosts: [url] })
    for (let i = 0; i < 3; i++) await other.get('bob') // time in which a 17th would have arrived
    assert.equal(elasticsearch.calls.filter(({ method }) => method === 'PUT').length, 16)
    release()
    await all
    assert.equal(elasticsearch.counters.writes, 40)
  })

  test('a write whose response is lost is retried on a single host', async () => {
    elasticsearch.faults.response = 'lose_response'
    let seen = 0
    elasticsearch.faults.concerns = () => seen++ === 0
    await connect({ hosts: [url] }).put('bob', bob)
    assert.equal(elasticsearch.counters.writes, 2)
  })

  test('a call to a single host that is down is elasticsearch_unavailable after two attempts', async () => {
    elasticsearch.faults.response = 'unavailable'
    await assert.rejects(connect({ hosts: [url] }).get('bob'), { code: 'elasticsearch_unavailable', detail: /503/ })
    assert.equal(elasticsearch.calls.length, 2)
  })

  test('a call to a single host that does not respond is elasticsearch_unavailable after the timeout', async (t) => {
    hang(elasticsearch, createDeadlines(t))
    const get = connect({ hosts: [url] }).get('bob')
    await assert.rejects(get, { code: 'elasticsearch_unavailable', detail: /TimeoutError/ })
    assert.equal(elasticsearch.calls.length, 1, 'the single host is not retried after a timeout')
  })

  test('a call to a single host succeeds once the host is available again', async () => {
    const users = connect({ hosts: [url] })
    elasticsearch.faults.response = 'drop'
    await assert.rejects(users.get('bob'), { code: 'elasticsearch_unavailable' })
    elasticsearch.faults.response = 'normal'
    assert.equal(await users.get('bob'), undefined)
  })
})

describe('requests to Elasticsearch', () => {
  const serve = async (server: http.Server) => {
    server.listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    toClose.push(() => {
      server.closeAllConnections()
      server.close()
    })
    return (server.address() as AddressInfo).port
  }
  const seen: http.IncomingHttpHeaders[] = []
  const respond: http.RequestListener = (request, response) => {
    seen.push(request.headers)
    response.writeHead(404, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' }).end('{}')
  }
  beforeEach(() => void seen.splice(0))

  test('an API key is sent instead of a password', async () => {
    const port = await serve(http.createServer(respond))
    await connect({ hosts: [`http://127.0.0.1:${port}`], apiKey: 'id:key' }).get('bob')
    assert.match(seen[0]!.authorization!, /^ApiKey /)
  })

  test('requests have compatible-with=8, which servers of 8.x and 9.x accept', async () => {
    const port = await serve(http.createServer(respond))
    await connect({ hosts: [`http://127.0.0.1:${port}`] }).get('bob')
    assert.match(seen[0]!.accept!, /compatible-with=8/)
    assert.equal(seen[0]!.authorization, `Basic ${btoa('elastic:changeme')}`)
    assert.equal(seen[0]!['x-elastic-client-meta'], undefined)
  })

  test('a call to a server other than Elasticsearch is elasticsearch_unavailable', async () => {
    const port = await serve(http.createServer((_, response) => void response.writeHead(200).end('{}')))
    await assert.rejects(connect({ hosts: [`http://127.0.0.1:${port}`] }).get('bob'), {
      code: 'elasticsearch_unavailable',
    })
  })

  const authority = createCertificateAuthority()
  const tls = (more: https.ServerOptions = {}) =>
    serve(https.createServer({ ...authority.issue('es'), ...more }, respond))

  test('TLS to Elasticsearch fails without the configured CA, unless insecure_skip_verify is set', async () => {
    const hosts = [`https://localhost:${await tls()}`]
    assert.equal(await connect({ hosts, ca: authority.cert }).get('bob'), undefined)
    await assert.rejects(connect({ hosts }).get('bob'), { code: 'elasticsearch_unavailable' })
    await assert.rejects(connect({ hosts, ca: createCertificateAuthority().cert }).get('bob'), {
      code: 'elasticsearch_unavailable',
    })
    assert.equal(await connect({ hosts, insecureSkipVerify: true }).get('bob'), undefined)
    assert.equal(seen.length, 2, 'no credential is sent to an untrusted server')
  })

  test('a client certificate is sent if Elasticsearch requests it', async () => {
    const hosts = [
      `https://localhost:${await tls({ requestCert: true, rejectUnauthorized: true, ca: authority.cert })}`,
    ]
    assert.equal(await connect({ hosts, ca: authority.cert, ...authority.issue('elastauth') }).get('bob'), undefined)
    await assert.rejects(connect({ hosts, ca: authority.cert }).get('bob'), { code: 'elasticsearch_unavailable' })
  })
})
