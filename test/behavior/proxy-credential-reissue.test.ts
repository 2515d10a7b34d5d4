import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { startProxy, startUpstream } from '../support/upstream.ts'

const standIn = createFakeElasticsearch()
const url = await standIn.listen()
after(() => standIn.close())
const env = { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' }
const start = () => startProxy(url, { flags: { 'elasticsearch.dry_run': 'false', 'elasticsearch.hosts': url }, env })
const gateway = await start()

const ask = (user: string, body?: string, to = gateway) =>
  fetch(`${to.url}/idx/_search`, { headers: { 'Remote-User': user }, ...(body && { method: 'POST', body }) })

function spoil(user: string): void {
  standIn.users.set(user, { ...standIn.users.get(user)!, password: 'something else' })
}

describe('a 401 for our own credential', () => {
  test('after a password was changed: mended, and the client hears nothing of it', async () => {
    assert.equal((await ask('ann')).status, 200)
    spoil('ann')
    const response = await ask('ann')
    assert.deepEqual([response.status, ((await response.json()) as { user: string }).user], [200, 'ann'])
    await gateway.logged(({ message }) => message === 'user ann: healed (version 2)')
  })

  test('after a user was deleted: made again', async () => {
    assert.equal((await ask('ben')).status, 200)
    standIn.users.delete('ben')
    assert.equal((await ask('ben')).status, 200)
  })

  test('after another replica rotated: its password is taken over, and not written', async () => {
    assert.equal((await ask('cat')).status, 200)
    spoil('cat')
    const replica = await start()
    assert.equal((await ask('cat', undefined, replica)).status, 200)
    const before = standIn.counters.writes
    assert.equal((await ask('cat')).status, 200)
    assert.equal(standIn.counters.writes, before)
    await replica.stop()
  })

  test('with a body that is gone: passed on, and mended for the next request', async () => {
    assert.equal((await ask('dan')).status, 200)
    spoil('dan')
    assert.equal((await ask('dan', '{}')).status, 401)
    await gateway.logged(({ message }) => message === 'user dan: healed (version 2)')
    assert.equal((await ask('dan', '{}')).status, 200)
  })

  test('by a crowd at once: one write, and all succeed', async () => {
    assert.equal((await ask('eve')).status, 200)
    spoil('eve')
    const before = standIn.counters.writes
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask('eve')))
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
    assert.equal(standIn.counters.writes, before + 1)
  })

  test('that does not end: passed on as it came, and Elasticsearch is not asked each time', async () => {
    assert.equal((await ask('fay')).status, 200)
    spoil('fay')
    assert.equal((await ask('fay')).status, 200)
    spoil('fay') // again, at once
    const before = standIn.counters.writes
    for (let i = 0; i < 20; i++) {
      const response = await ask('fay')
      assert.equal(response.status, 401)
      assert.match(await response.text(), /unable to authenticate user \[fay\]/)
      assert.match(response.headers.get('www-authenticate') ?? '', /^Basic realm="security"/)
    }
    assert.equal(standIn.counters.writes, before)
  })
})

test('a refusal too long to be held is passed on whole, and mended for the next request', async () => {
  const long = 'no '.repeat(100_000)
  let isRefusing = false
  const upstream = await startUpstream((_request, response) => {
    if (isRefusing) response.writeHead(401, { 'WWW-Authenticate': 'Basic' }).end(long)
    else response.end('yes')
  })
  const flags = { 'elasticsearch.dry_run': 'false', 'elasticsearch.hosts': url }
  const proxy = await startProxy(upstream.url, { flags, env })
  assert.equal(await (await ask('gus', undefined, proxy)).text(), 'yes')
  spoil('gus')
  isRefusing = true
  const response = await ask('gus', undefined, proxy)
  assert.deepEqual([response.status, response.headers.get('www-authenticate')], [401, 'Basic'])
  assert.equal(await response.text(), long)
  await proxy.logged(({ message }) => message === 'user gus: healed (version 2)')
})
