import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { callElasticsearch, type RequestOptions } from '../../support/elasticsearch/call-elasticsearch.ts'
import { createFakeElasticsearch, type FakeElasticsearch } from '../../support/fake-elasticsearch/fake-elasticsearch.ts'

// test/integration/elasticsearch-kit.test.ts compares its regular responses with those of a real node.
describe('the fake Elasticsearch', () => {
  let fakeElasticsearch: FakeElasticsearch
  let url: string
  const lowly = { username: 'lowly', password: 'changeme' }
  const to = (path: string, options?: RequestOptions) =>
    callElasticsearch({ url, username: 'elastic', password: 'changeme' }, path, options)
  const put = (name: string, more: RequestOptions = {}) =>
    to(`/_security/user/${name}`, { method: 'PUT', body: { password: 'secret-1', roles: [] }, ...more })

  beforeEach(async () => {
    fakeElasticsearch = createFakeElasticsearch({
      accounts: { lowly: { password: 'changeme' }, robot: { password: 'changeme', roles: ['gatekeeper'] } },
      roles: { gatekeeper: ['manage_security'] },
    })
    url = await fakeElasticsearch.listen()
  })
  afterEach(() => fakeElasticsearch.close())

  test('the fake Elasticsearch names itself as a fake in its banner', async () => {
    const { body } = await to('/')
    assert.deepEqual([body.name, body.tagline], ['elastauth stand-in', 'elastauth stand-in, not an Elasticsearch'])
  })

  test('the fake Elasticsearch returns the authenticated user for any other path, and 401 without a valid credential', async () => {
    const response = await to('/index/_search?q=1', { method: 'POST', body: '{}\n', as: lowly })
    assert.deepEqual(response.body, { user: 'lowly', path: '/index/_search?q=1', method: 'POST' })
    assert.equal((await to('/_bulk', { as: { ...lowly, password: 'wrong' } })).status, 401)
    assert.equal((await to('/_bulk', { as: null })).status, 401)
  })

  test('the fake Elasticsearch accepts a body of any media type for any other path', async () => {
    const headers = { 'content-type': 'application/x-ndjson' }
    assert.equal((await to('/_bulk', { method: 'POST', body: '{}\n', headers })).status, 200)
  })

  test('an account of the fake Elasticsearch has the privileges of its role and no others', async () => {
    const as = { username: 'robot', password: 'changeme' }
    assert.equal((await put('bob', { as })).status, 200)
    assert.equal((await to('/_security/user/bob', { as })).status, 200)
    assert.equal((await to('/', { as })).status, 403)
    assert.equal((await put('bob', { as: lowly })).status, 403)
  })

  test('a response of the fake Elasticsearch never contains a password', async () => {
    await put('bob')
    assert.doesNotMatch(JSON.stringify((await to('/_security/user')).body), /secret-1|changeme/)
  })

  test('tests can read and change the users of the fake Elasticsearch', async () => {
    await put('bob')
    assert.equal(fakeElasticsearch.users.get('bob')?.password, 'secret-1')
    fakeElasticsearch.users.delete('bob')
    assert.equal((await to('/_security/user/bob')).status, 404)
  })

  test('the fake Elasticsearch responds with 500 to a malformed escape in a name, and does not crash', async () => {
    assert.equal((await to('/_security/user/%E0')).status, 500)
    assert.equal((await to('/')).status, 200)
  })

  test('the calls and counters of the fake Elasticsearch record the requests', async () => {
    await put('bob')
    await to('/_security/user/bob?pretty')
    await to('/_security/_authenticate', { as: { username: 'bob', password: 'wrong' } })
    assert.deepEqual(
      fakeElasticsearch.calls.map(({ method, path, username }) => [method, path, username]),
      [
        ['PUT', '/_security/user/bob', 'elastic'],
        ['GET', '/_security/user/bob', 'elastic'],
        ['GET', '/_security/_authenticate', 'bob'],
      ],
    )
    assert.deepEqual(fakeElasticsearch.counters, { requests: 3, writes: 1, rejectedLogins: 1 })
  })

  for (const [fault, status] of [
    ['unauthorized', 401],
    ['unavailable', 503],
    ['too_many_requests', 429],
  ] as const) {
    test(`the fault ${fault} gives every request ${status} without effect until the fault ends`, async () => {
      fakeElasticsearch.faults.response = fault
      assert.equal((await put('bob')).status, status)
      assert.equal((await to('/')).status, status)
      fakeElasticsearch.faults.response = 'normal'
      assert.equal((await to('/_security/user/bob')).status, 404)
      assert.equal(fakeElasticsearch.counters.rejectedLogins, 0)
    })
  }

  test('the fault drop resets the connection before the write', async () => {
    fakeElasticsearch.faults.response = 'drop'
    await assert.rejects(put('bob'), { code: 'ECONNRESET' })
    assert.equal(fakeElasticsearch.users.has('bob'), false)
  })

  test('the fault lose_response resets the connection after the write', async () => {
    fakeElasticsearch.faults.response = 'lose_response'
    await assert.rejects(put('bob'), { code: 'ECONNRESET' })
    assert.equal(fakeElasticsearch.users.has('bob'), true)
  })

  test('the fault hang sends no response, and close ends the connection', async () => {
    fakeElasticsearch.faults.response = 'hang'
    const hanging = assert.rejects(to('/'), { code: 'ECONNRESET' })
    while (fakeElasticsearch.calls.length === 0) await new Promise(setImmediate)
    await fakeElasticsearch.close()
    await hanging
  })

  test('a fault of the fake Elasticsearch can apply to some calls only', async () => {
    fakeElasticsearch.faults.response = 'unavailable'
    fakeElasticsearch.faults.concerns = ({ method }) => method === 'PUT'
    assert.deepEqual([(await put('bob')).status, (await to('/')).status], [503, 200])
  })

  test('the fault forbidPut gives writes 403 with the action, and reads succeed', async () => {
    fakeElasticsearch.faults.forbidPut = true
    const rejected = await put('bob')
    assert.equal(rejected.status, 403)
    assert.match(
      rejected.body.error.reason,
      /^action \[cluster:admin\/xpack\/security\/user\/put\] is unauthorized for user \[elastic\]/,
    )
    assert.equal((await to('/_security/user/elastic')).status, 200)
  })

  test('the delay of the fake Elasticsearch is determined for each call', async () => {
    const methods: string[] = []
    fakeElasticsearch.faults.delay = ({ method }) => {
      methods.push(method)
      return 1
    }
    await put('bob')
    await to('/')
    assert.deepEqual(methods, ['PUT', 'GET'])
  })

  test('held writes wait until they are released, while reads continue', async () => {
    const release = fakeElasticsearch.holdWrites()
    const writes = [put('bob'), put('carol')]
    await fakeElasticsearch.whenHeld(2)
    assert.equal((await to('/_security/user/bob')).status, 404)
    release()
    assert.deepEqual(
      (await Promise.all(writes)).map(({ status }) => status),
      [200, 200],
    )
    assert.equal((await put('dave')).status, 200)
  })

  test('writes held twice wait for both releases', async () => {
    const [first, second] = [fakeElasticsearch.holdWrites(), fakeElasticsearch.holdWrites()]
    const write = put('bob')
    await fakeElasticsearch.whenHeld(1)
    first()
    first()
    assert.equal((await to('/_security/user/bob')).status, 404)
    second()
    assert.equal((await write).status, 200)
  })

  test('the fake Elasticsearch restarts on the same port with the same users', async () => {
    await put('bob')
    await fakeElasticsearch.close()
    await assert.rejects(to('/'), { code: 'ECONNREFUSED' })
    assert.equal(await fakeElasticsearch.listen(Number(new URL(url).port)), url)
    assert.equal((await to('/_security/user/bob')).status, 200)
  })
})
