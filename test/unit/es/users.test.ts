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
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'
import { createFakeElasticsearch, type FakeElasticsearch } from '../../support/fake-elasticsearch/fake-elasticsearch.ts'

const account = { username: 'elastic', password: 'changeme', insecureSkipVerify: false, timeoutMs: 2000 }
const bob = {
  password: 'a password of bob’s',
  roles: ['viewer'],
  full_name: 'Bob',
  email: 'bob@example.com',
  metadata: { elastauth: { version: 1 } },
}

/** Everything we do in Elasticsearch, and what has to be closed afterwards. */
function connect(options: Partial<ElasticsearchOptions> & Pick<ElasticsearchOptions, 'hosts'>) {
  const client = createElasticsearchClient({ ...account, ...options })
  const hashing = createPasswordHashing('pbkdf2_1000', (rejection) => void rejections.push(rejection))
  const call = createCall({ monotonicNow: () => performance.now(), report: () => {} })
  toClose.push(() => client.close())
  return {
    ...createUsers(() => client, call, hashing),
    ping: createPing(() => client, call),
    checkPrivilege: createPrivilegeCheck(() => client, call),
  }
}

const toClose: (() => unknown)[] = []
const rejections: unknown[] = []
let standIn: FakeElasticsearch
let url: string

beforeEach(async () => {
  standIn = createFakeElasticsearch({ accounts: { lowly: { password: 'changeme' } } })
  url = await standIn.listen()
  toClose.push(standIn.close)
})
afterEach(async () => {
  rejections.length = 0
  for (const close of toClose.splice(0).reverse()) await close()
})

/** A node that answers 400 to every `password_hash`, and the bodies it was sent. */
async function startRejecting(error: unknown): Promise<{ url: string; bodies: Record<string, unknown>[] }> {
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
  test('nobody there is undefined', async () => {
    assert.equal(await connect({ hosts: [url] }).get('bob'), undefined)
  })

  for (const username of ['constructor', 'toString', 'valueOf', 'hasOwnProperty']) {
    test(`nobody there is undefined for ${username} too`, async () => {
      assert.equal(await connect({ hosts: [url] }).get(username), undefined)
    })
  }

  test('what is written can be read, and the password is in force', async () => {
    const users = connect({ hosts: [url] })
    await users.put('bob', bob)
    assert.deepEqual(await users.get('bob'), {
      reserved: false,
      enabled: true,
      roles: ['viewer'],
      metadata: bob.metadata,
    })
    assert.equal(standIn.users.get('bob')?.password, bob.password)
    assert.equal(standIn.users.get('bob')?.full_name, 'Bob')
  })

  test('sends the hash in place of the password, and the password is in force', async () => {
    const users = connect({ hosts: [url] })
    const passwordHash = await hashPassword(bob.password, Buffer.alloc(32, 0xfb))
    await users.put('bob', { ...bob, passwordHash })
    assert.equal(standIn.users.get('bob')?.password, passwordHash)
    assert.ok(await users.authenticate('bob', bob.password))
    assert.equal(await users.authenticate('bob', passwordHash), undefined)
  })

  for (const reason of [
    'The provided password hash is not a hash or it could not be resolved to a supported hash algorithm. The supported password hash algorithms are [bcrypt]',
    'unknown hash function [pbkdf2_1000]',
    'Provided password hash uses [PBKDF2_1000] but the configured hashing algorithm is [BCRYPT]',
  ]) {
    test(`sends plain text from then on after the 400 "${reason.slice(0, 40)}…"`, async () => {
      const { url: node, bodies } = await startRejecting({ type: 'illegal_argument_exception', reason })
      const users = connect({ hosts: [node] })
      for (let i = 0; i < 3; i++) await users.put('bob', { ...bob, passwordHash: 'a hash' })
      const sent = bodies.map(({ password, password_hash }) => password ?? password_hash)
      assert.deepEqual(sent, ['a hash', bob.password, bob.password, bob.password])
      assert.deepEqual(rejections, [{ reason, isFirst: true }])
    })
  }

  test('writes that are under way when the first hash is rejected all send the text, and one of them is the first', async () => {
    standIn.faults.rejectHash = true
    const release = standIn.holdWrites()
    const users = connect({ hosts: [url] })
    const all = Promise.all(['a', 'b', 'c'].map((name) => users.put(name, { ...bob, passwordHash: 'a hash' })))
    await standIn.whenHeld(3)
    release()
    await all
    for (const name of ['a', 'b', 'c']) assert.equal(standIn.users.get(name)?.password, bob.password)
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
    test(`does not send the text after another 400: ${JSON.stringify(error)}`, async () => {
      const { url: node, bodies } = await startRejecting(error)
      const put = connect({ hosts: [node] }).put('bob', { ...bob, passwordHash: 'a hash' })
      await assert.rejects(put, { code: 'elasticsearch_rejected', detail: /responded with 400/ })
      assert.equal(bodies.length, 1)
      assert.deepEqual(rejections, [])
    })
  }

  test('a reserved user is known as one, a disabled one too', async () => {
    const users = connect({ hosts: [url] })
    assert.equal((await users.get('elastic'))?.reserved, true)
    standIn.users.set('bob', { ...bob, enabled: false })
    assert.equal((await users.get('bob'))?.enabled, false)
  })

  for (const username of ['bob@example.com', 'bob+x', 'b.o.b', '...', '-', '@', 'a%2e', 'a/b', 'a?b', 'a#b', 'a b']) {
    test(`${username} is one segment of the path`, async () => {
      await connect({ hosts: [url] }).get(username)
      assert.equal(standIn.calls[0]?.path, `/_security/user/${encodeURIComponent(username)}`)
    })
  }

  test('authenticate logs in as the user, not as us', async () => {
    const users = connect({ hosts: [url] })
    await users.put('bob', bob)
    assert.deepEqual(await users.authenticate('bob', bob.password), { roles: ['viewer'], metadata: bob.metadata })
    assert.deepEqual(standIn.calls.at(-1), {
      ...standIn.calls.at(-1)!,
      path: '/_security/_authenticate',
      username: 'bob',
    })
    assert.equal(await users.authenticate('bob', 'wrong!'), undefined)
    assert.equal(await users.authenticate('nobody', bob.password), undefined)
    standIn.users.set('bob', { ...standIn.users.get('bob')!, enabled: false })
    assert.equal(await users.authenticate('bob', bob.password), undefined)
  })

  test('authenticate: a node that is down is an error, not a refused password', async () => {
    standIn.faults.answer = 'unavailable'
    await assert.rejects(connect({ hosts: [url] }).authenticate('bob', 'x'), { code: 'elasticsearch_unavailable' })
  })

  test('without the privilege: rejected, with Elasticsearch’s own words', async () => {
    standIn.faults.forbidPut = true
    const put = connect({ hosts: [url] }).put('bob', bob)
    await assert.rejects(put, {
      code: 'elasticsearch_rejected',
      detail: /user\/put\] is unauthorized for user \[elastic\]/,
    })
  })

  test('a wrong password of ours names no password', async () => {
    const get = connect({ hosts: [url], password: 'hunter2-wrong' }).get('bob')
    await assert.rejects(get, (error: Error) => !`${error.stack} ${JSON.stringify(error)}`.includes('hunter2'))
  })

  test('dry run: nobody there, everything works, nothing is called', async () => {
    const users = createDryRunUsers()
    assert.equal(await users.get('bob'), undefined)
    await users.put('bob', bob)
    assert.equal(await users.authenticate('bob', 'x'), undefined)
  })
})

describe('our service account', () => {
  test('ping passes, and fails with a wrong password', async () => {
    await connect({ hosts: [url] }).ping()
    await assert.rejects(connect({ hosts: [url], password: 'wrong' }).ping(), { code: 'elasticsearch_unavailable' })
  })

  test('without manage_security the check says so, with the account’s name', async () => {
    await connect({ hosts: [url] }).checkPrivilege()
    const lowly = connect({ hosts: [url], username: 'lowly' })
    await assert.rejects(lowly.checkPrivilege(), {
      code: 'elasticsearch_rejected',
      detail: /lowly lacks .*manage_security/,
    })
  })
})

describe('hosts', () => {
  test('one is gone: the other answers, each time', async () => {
    const gone = createFakeElasticsearch()
    const goneUrl = await gone.listen()
    await gone.close()
    const users = connect({ hosts: [goneUrl, url] })
    for (let i = 0; i < 4; i++) assert.equal(await users.get('bob'), undefined)
  })

  test('one answers 503: the other answers, each time', async () => {
    const ill = createFakeElasticsearch()
    toClose.push(ill.close)
    ill.faults.answer = 'unavailable'
    const users = connect({ hosts: [await ill.listen(), url] })
    for (let i = 0; i < 4; i++) await users.put('bob', bob)
    assert.ok(standIn.users.has('bob'))
  })

  test('one hangs: the other answers', async () => {
    const hung = createFakeElasticsearch()
    toClose.push(hung.close)
    hung.faults.answer = 'hang'
    const users = connect({ hosts: [await hung.listen(), url], timeoutMs: 500 })
    for (let i = 0; i < 4; i++) assert.equal(await users.get('bob'), undefined)
  })

  test('two of three are gone: the third answers', async () => {
    const gone = await Promise.all(
      [1, 2].map(async () => {
        const node = createFakeElasticsearch()
        const address = await node.listen()
        await node.close()
        return address
      }),
    )
    const users = connect({ hosts: [...gone, url] })
    for (let i = 0; i < 4; i++) assert.equal(await users.get('bob'), undefined)
  })

  test('a crowd waits on our side: 16 connections a host, and every write arrives', async () => {
    const release = standIn.holdWrites()
    const { put } = connect({ hosts: [url] })
    const all = Promise.all(Array.from({ length: 40 }, (_, i) => put(`user-${i}`, bob)))
    await standIn.whenHeld(16)
    const other = connect({ hosts: [url] })
    for (let i = 0; i < 3; i++) await other.get('bob') // time in which a 17th would have come
    assert.equal(standIn.calls.filter(({ method }) => method === 'PUT').length, 16)
    release()
    await all
    assert.equal(standIn.counters.writes, 40)
  })

  test('the only one cuts the connection after its work: the write is repeated, and the user is there', async () => {
    standIn.faults.answer = 'lose_answer'
    let seen = 0
    standIn.faults.concerns = () => seen++ === 0
    await connect({ hosts: [url] }).put('bob', bob)
    assert.equal(standIn.counters.writes, 2)
  })

  test('the only one is down: unavailable, after two tries', async () => {
    standIn.faults.answer = 'unavailable'
    await assert.rejects(connect({ hosts: [url] }).get('bob'), { code: 'elasticsearch_unavailable', detail: /503/ })
    assert.equal(standIn.calls.length, 2)
  })

  test('the only one hangs: unavailable, when the time is up', async () => {
    standIn.faults.answer = 'hang'
    const get = connect({ hosts: [url], timeoutMs: 500 }).get('bob')
    await assert.rejects(get, { code: 'elasticsearch_unavailable', detail: /TimeoutError/ })
    assert.equal(standIn.calls.length, 1, 'asking the same one again would only take longer')
  })

  test('it comes back: the next call works', async () => {
    const users = connect({ hosts: [url] })
    standIn.faults.answer = 'drop'
    await assert.rejects(users.get('bob'), { code: 'elasticsearch_unavailable' })
    standIn.faults.answer = 'normal'
    assert.equal(await users.get('bob'), undefined)
  })
})

describe('what goes over the wire', () => {
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
  const answer: http.RequestListener = (request, response) => {
    seen.push(request.headers)
    response.writeHead(404, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' }).end('{}')
  }
  beforeEach(() => void seen.splice(0))

  test('an API key instead of a password', async () => {
    const port = await serve(http.createServer(answer))
    await connect({ hosts: [`http://127.0.0.1:${port}`], apiKey: 'id:key' }).get('bob')
    assert.match(seen[0]!.authorization!, /^ApiKey /)
  })

  test('compatible-with=8, which servers of 8.x and 9.x take', async () => {
    const port = await serve(http.createServer(answer))
    await connect({ hosts: [`http://127.0.0.1:${port}`] }).get('bob')
    assert.match(seen[0]!.accept!, /compatible-with=8/)
    assert.equal(seen[0]!.authorization, `Basic ${btoa('elastic:changeme')}`)
    assert.equal(seen[0]!['x-elastic-client-meta'], undefined)
  })

  test('a server that is no Elasticsearch gets no password of a user’s', async () => {
    const port = await serve(http.createServer((_, response) => void response.writeHead(200).end('{}')))
    await assert.rejects(connect({ hosts: [`http://127.0.0.1:${port}`] }).get('bob'), {
      code: 'elasticsearch_unavailable',
    })
  })

  const authority = createCertificateAuthority()
  const tls = (more: https.ServerOptions = {}) =>
    serve(https.createServer({ ...authority.issue('es'), ...more }, answer))

  test('TLS with our CA works, without it does not, unless told to look away', async () => {
    const hosts = [`https://localhost:${await tls()}`]
    assert.equal(await connect({ hosts, ca: authority.cert }).get('bob'), undefined)
    await assert.rejects(connect({ hosts }).get('bob'), { code: 'elasticsearch_unavailable' })
    await assert.rejects(connect({ hosts, ca: createCertificateAuthority().cert }).get('bob'), {
      code: 'elasticsearch_unavailable',
    })
    assert.equal(await connect({ hosts, insecureSkipVerify: true }).get('bob'), undefined)
    assert.equal(seen.length, 2, 'no credential goes to a server that is not known')
  })

  test('a client certificate is shown where one is wanted', async () => {
    const hosts = [
      `https://localhost:${await tls({ requestCert: true, rejectUnauthorized: true, ca: authority.cert })}`,
    ]
    assert.equal(await connect({ hosts, ca: authority.cert, ...authority.issue('elastauth') }).get('bob'), undefined)
    await assert.rejects(connect({ hosts, ca: authority.cert }).get('bob'), { code: 'elasticsearch_unavailable' })
  })
})
