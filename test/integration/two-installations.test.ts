import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { keyIdOf } from '../../src/auth/credentials/password.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, logIn, startGatewayFor, testKey } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()
const otherKey = 'a1b2c3d4'.repeat(8)
const start = (key: string, flags: Readonly<Record<string, string>> = {}) =>
  startGatewayFor(elasticsearch.node, {
    flags: { enable_metrics: 'true', 'cache.revalidate': '1s', ...flags },
    env: { ELASTAUTH_SECRET_KEY: key },
  })

describe('two gateways with different secret keys and one Elasticsearch', {
  skip: elasticsearch.skip,
}, () => {
  test('a user is taken over once with a warning, and then the first gateway responds with 503 and the second keeps working', async (context) => {
    const { node } = elasticsearch
    const [first, second] = await Promise.all([start(testKey), start(otherKey)])
    context.after(() => Promise.all([first.stop(), second.stop()]))
    assert.equal((await logIn(node, (await authorize(first, 'contested')).authorization)).status, 200)
    const taken = await authorize(second, 'contested')
    assert.equal((await logIn(node, taken.authorization)).status, 200)
    const warning = await second.logged((line) => line['event.action'] === 'user_rekeyed')
    assert.equal(warning['log.level'], 'warn')
    for (const key of [testKey, otherKey]) assert.ok(warning.message!.includes(keyIdOf(key)))

    while ((await authorize(first, 'contested')).status !== 503) await new Promise(setImmediate)
    for (let i = 0; i < 50; i++) {
      assert.equal((await authorize(first, 'contested')).status, 503)
      assert.deepEqual(await authorize(second, 'contested'), taken)
    }
    assert.equal((await logIn(node, taken.authorization)).status, 200)
    const error = await first.logged((line) => line['error.code'] === 'key_conflict' && line['log.level'] === 'error')
    for (const key of [testKey, otherKey]) assert.ok(JSON.stringify(error).includes(keyIdOf(key)))
    const metrics = await (await fetch(`${first.url}/elastauth/metrics`)).text()
    assert.match(metrics, /^elastauth_key_conflicts_total [1-9]/m)
    const written = [first, second].flatMap(({ log }) =>
      log.filter((line) => line['event.outcome'] === 'success').map((line) => String(line['event.action'])),
    )
    assert.deepEqual(
      written.filter((action) => action.startsWith('user_')),
      ['user_created', 'user_rekeyed'],
    )
  })

  test('with elasticsearch.rekey: never, a user of another installation is rejected at once and not written', async (context) => {
    const { node } = elasticsearch
    const [first, second] = await Promise.all([start(testKey), start(otherKey, { 'elasticsearch.rekey': 'never' })])
    context.after(() => Promise.all([first.stop(), second.stop()]))
    const { authorization } = await authorize(first, 'guarded')
    assert.equal((await authorize(second, 'guarded')).status, 503)
    assert.equal((await logIn(node, authorization)).status, 200)
  })

  test("a gateway that restarts with the documentation's placeholder as secret_key serves the existing users", async () => {
    const { node } = elasticsearch
    for (const _run of [1, 2]) {
      const gateway = await start('your-64-char-hex-key')
      const { status, authorization } = await authorize(gateway, 'returning')
      assert.equal(status, 200)
      assert.equal((await logIn(node, authorization)).status, 200)
      await gateway.stop()
    }
  })
})
