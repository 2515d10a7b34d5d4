import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { callElasticsearch, type RequestOptions } from '../../support/elasticsearch/call-elasticsearch.ts'
import { createFakeElasticsearch, type FakeElasticsearch } from '../../support/fake-elasticsearch/fake-elasticsearch.ts'

// How it answers when all is well is held to a real node in test/integration/elasticsearch-kit.test.ts.
describe('stand-in', () => {
  let standIn: FakeElasticsearch
  let url: string
  const lowly = { username: 'lowly', password: 'changeme' }
  const to = (path: string, question?: RequestOptions) =>
    callElasticsearch({ url, username: 'elastic', password: 'changeme' }, path, question)
  const put = (name: string, more: RequestOptions = {}) =>
    to(`/_security/user/${name}`, { method: 'PUT', body: { password: 'secret-1', roles: [] }, ...more })

  beforeEach(async () => {
    standIn = createFakeElasticsearch({
      accounts: { lowly: { password: 'changeme' }, robot: { password: 'changeme', roles: ['gatekeeper'] } },
      roles: { gatekeeper: ['manage_security'] },
    })
    url = await standIn.listen()
  })
  afterEach(() => standIn.close())

  test('says what it is', async () => {
    const { body } = await to('/')
    assert.deepEqual([body.name, body.tagline], ['elastauth stand-in', 'elastauth stand-in, not an Elasticsearch'])
  })

  test('any other path says who asked, once the credential is right', async () => {
    const reply = await to('/index/_search?q=1', { method: 'POST', body: '{}\n', as: lowly })
    assert.deepEqual(reply.body, { user: 'lowly', path: '/index/_search?q=1', method: 'POST' })
    assert.equal((await to('/_bulk', { as: { ...lowly, password: 'wrong' } })).status, 401)
    assert.equal((await to('/_bulk', { as: null })).status, 401)
  })

  test('a body of any media type goes through to any other path', async () => {
    const headers = { 'content-type': 'application/x-ndjson' }
    assert.equal((await to('/_bulk', { method: 'POST', body: '{}\n', headers })).status, 200)
  })

  test('an account is granted what its role has, and no more', async () => {
    const as = { username: 'robot', password: 'changeme' }
    assert.equal((await put('bob', { as })).status, 200)
    assert.equal((await to('/_security/user/bob', { as })).status, 200)
    assert.equal((await to('/', { as })).status, 403)
    assert.equal((await put('bob', { as: lowly })).status, 403)
  })

  test('a password never comes back out', async () => {
    await put('bob')
    assert.doesNotMatch(JSON.stringify((await to('/_security/user')).body), /secret-1|changeme/)
  })

  test('users can be looked at and changed from outside', async () => {
    await put('bob')
    assert.equal(standIn.users.get('bob')?.password, 'secret-1')
    standIn.users.delete('bob')
    assert.equal((await to('/_security/user/bob')).status, 404)
  })

  test('a malformed escape in a name is an answer, not a crash', async () => {
    assert.equal((await to('/_security/user/%E0')).status, 500)
    assert.equal((await to('/')).status, 200)
  })

  test('calls and counters tell what was asked', async () => {
    await put('bob')
    await to('/_security/user/bob?pretty')
    await to('/_security/_authenticate', { as: { username: 'bob', password: 'wrong' } })
    assert.deepEqual(
      standIn.calls.map(({ method, path, username }) => [method, path, username]),
      [
        ['PUT', '/_security/user/bob', 'elastic'],
        ['GET', '/_security/user/bob', 'elastic'],
        ['GET', '/_security/_authenticate', 'bob'],
      ],
    )
    assert.deepEqual(standIn.counters, { requests: 3, writes: 1, refusedLogins: 1 })
  })

  for (const [fault, status] of [
    ['unauthorized', 401],
    ['unavailable', 503],
    ['too_many_requests', 429],
  ] as const) {
    test(`fault ${fault}: ${status} to everybody, and nothing is done, until it is lifted`, async () => {
      standIn.faults.answer = fault
      assert.equal((await put('bob')).status, status)
      assert.equal((await to('/')).status, status)
      standIn.faults.answer = 'normal'
      assert.equal((await to('/_security/user/bob')).status, 404)
      assert.equal(standIn.counters.refusedLogins, 0)
    })
  }

  test('fault drop: the connection is cut, and nothing is done', async () => {
    standIn.faults.answer = 'drop'
    await assert.rejects(put('bob'), { code: 'ECONNRESET' })
    assert.equal(standIn.users.has('bob'), false)
  })

  test('fault lose_answer: the connection is cut after the write', async () => {
    standIn.faults.answer = 'lose_answer'
    await assert.rejects(put('bob'), { code: 'ECONNRESET' })
    assert.equal(standIn.users.has('bob'), true)
  })

  test('fault hang: nothing comes, and close still ends it', async () => {
    standIn.faults.answer = 'hang'
    const hanging = assert.rejects(to('/'), { code: 'ECONNRESET' })
    while (standIn.calls.length === 0) await new Promise(setImmediate)
    await standIn.close()
    await hanging
  })

  test('a fault can concern some calls only', async () => {
    standIn.faults.answer = 'unavailable'
    standIn.faults.concerns = ({ method }) => method === 'PUT'
    assert.deepEqual([(await put('bob')).status, (await to('/')).status], [503, 200])
  })

  test('fault forbidPut: writes are 403 with the action, reads are not', async () => {
    standIn.faults.forbidPut = true
    const refused = await put('bob')
    assert.equal(refused.status, 403)
    assert.match(
      refused.body.error.reason,
      /^action \[cluster:admin\/xpack\/security\/user\/put\] is unauthorized for user \[elastic\]/,
    )
    assert.equal((await to('/_security/user/elastic')).status, 200)
  })

  test('a delay is asked for each call', async () => {
    const asked: string[] = []
    standIn.faults.delay = ({ method }) => {
      asked.push(method)
      return 1
    }
    await put('bob')
    await to('/')
    assert.deepEqual(asked, ['PUT', 'GET'])
  })

  test('held writes wait until released, while reads go on', async () => {
    const release = standIn.holdWrites()
    const writes = [put('bob'), put('carol')]
    await standIn.whenHeld(2)
    assert.equal((await to('/_security/user/bob')).status, 404)
    release()
    assert.deepEqual(
      (await Promise.all(writes)).map(({ status }) => status),
      [200, 200],
    )
    assert.equal((await put('dave')).status, 200)
  })

  test('two holders: writes wait for both', async () => {
    const [first, second] = [standIn.holdWrites(), standIn.holdWrites()]
    const write = put('bob')
    await standIn.whenHeld(1)
    first()
    first()
    assert.equal((await to('/_security/user/bob')).status, 404)
    second()
    assert.equal((await write).status, 200)
  })

  test('it comes back on the same port with the same users, as a restarted node would', async () => {
    await put('bob')
    await standIn.close()
    await assert.rejects(to('/'), { code: 'ECONNREFUSED' })
    assert.equal(await standIn.listen(Number(new URL(url).port)), url)
    assert.equal((await to('/_security/user/bob')).status, 200)
  })
})
