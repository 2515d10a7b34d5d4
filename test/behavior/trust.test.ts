import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchange, type RawResponse } from '../support/raw-http.ts'
import { createFixture } from './fixture.ts'

const { elasticsearch, start, userCalls } = await createFixture()
const secret = 'a-shared-secret-of-32-characters'
const trusting = (trusted_proxies: string) => start({ flags: { trusted_proxies } })
const [none, all, byNetwork, byWord, withSecret] = await Promise.all([
  trusting('none'),
  trusting('all'),
  trusting('127.0.0.2/32'),
  trusting('loopback'),
  start({ env: { ELASTAUTH_PROXY_SECRET: secret } }),
])
const first = '127.0.0.1'
const second = '127.0.0.2'

function ask({ url }: { url: string }, localAddress: string, ...headers: string[]): Promise<RawResponse> {
  return exchange(url, ['GET / HTTP/1.1', 'Host: elastauth', ...headers], { localAddress })
}

async function statuses(gateway: { url: string }, ...headers: string[]): Promise<number[]> {
  const answers = [first, second].map((address) => ask(gateway, address, 'Remote-User: bob', ...headers))
  return (await Promise.all(answers)).map(({ status }) => status)
}

test('trusted_proxies: all believes everybody, none nobody, a network its own', async () => {
  assert.deepEqual(await statuses(all), [200, 200])
  assert.deepEqual(await statuses(none), [401, 401])
  assert.deepEqual(await statuses(byNetwork), [401, 200])
  assert.deepEqual(await statuses(byWord), [200, 200])
})

test('no header about addresses makes a peer a trusted one, or a stranger of one', async () => {
  const claims = ['X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'X-Client-IP', 'True-Client-IP', 'CF-Connecting-IP']
  const claiming = (address: string) =>
    claims.map((name) => `${name}: ${name === 'Forwarded' ? `for=${address}` : address}`)
  assert.deepEqual(await statuses(byNetwork, ...claiming(second)), [401, 200])
  assert.deepEqual(await statuses(byNetwork, ...claiming('203.0.113.9')), [401, 200])
})

test('a stranger who claims to be elastic is nobody, and Elasticsearch hears nothing of it', async () => {
  const before = userCalls()
  for (const name of ['elastic', 'mallory'])
    assert.equal((await ask(byNetwork, first, `Remote-User: ${name}`)).status, 401)
  assert.equal(userCalls(), before)
  assert.ok(!elasticsearch.users.has('mallory'))
  const line = await byNetwork.logged((entry) => entry['error.code'] === 'peer_untrusted')
  assert.match(line.message!, /not in trusted_proxies/)
  assert.deepEqual([line['log.level'], line['client.ip']], ['warn', first])
})

test('the public text does not tell a stranger from somebody without headers', async () => {
  const page = async (gateway: { url: string }, ...lines: string[]) => {
    const { head, body } = await ask(gateway, first, 'Accept: text/html', ...lines)
    return [head.replace(/^Date: .*$/m, ''), body.replace(/number: [\w-]+/, '')]
  }
  const text = async (gateway: { url: string }, ...lines: string[]) => {
    const { status, body } = await ask(gateway, first, ...lines)
    return [status, JSON.parse(body).message]
  }
  for (const read of [page, text]) {
    const missing = await read(byNetwork)
    assert.deepEqual(await read(byNetwork, 'Remote-User: bob'), missing)
    assert.deepEqual(await read(withSecret, 'Remote-User: bob'), missing)
  }
})

test('with a proxy_secret the peer must send it, exactly once', async () => {
  const header = 'X-Elastauth-Proxy-Secret'
  const verdict = async (...lines: string[]) => (await ask(withSecret, first, 'Remote-User: bob', ...lines)).status
  assert.equal(await verdict(`${header}: ${secret}`), 200)
  assert.equal(await verdict(`${header.toLowerCase()}: ${secret}`), 200)
  assert.equal(await verdict(), 401)
  assert.equal(await verdict(`${header}:`), 401)
  assert.equal(await verdict(`${header}: ${secret}x`), 401)
  assert.equal(await verdict(`${header}: ${secret.slice(1)}`), 401)
  assert.equal(await verdict(`${header}: ${secret.toUpperCase()}`), 401)
  assert.equal(await verdict(`${header}: ${secret}`, `${header}: ${secret}`), 401)
  assert.equal(await verdict(`${header}: wrong`, `${header}: ${secret}`), 401)
  assert.equal(await verdict(`${header}: ${secret}, ${secret}`), 401)
  assert.equal(await verdict(`${header.replaceAll('-', '_')}: ${secret}`), 401)
})

test('the right secret from a peer outside trusted_proxies is not enough', async () => {
  const both = await start({ flags: { trusted_proxies: second }, env: { ELASTAUTH_PROXY_SECRET: secret } })
  assert.deepEqual(await statuses(both, `X-Elastauth-Proxy-Secret: ${secret}`), [401, 200])
})

test('what the original request was is believed of trusted peers only', async () => {
  const claims = ['Remote-User: bob', 'X-Forwarded-Method: DELETE', 'X-Forwarded-Uri: /claimed?token=hidden']
  await ask(byNetwork, first, ...claims)
  await ask(byNetwork, second, ...claims)
  await byNetwork.logged(({ message }) => message === 'DELETE /claimed 200')
  assert.ok(!byNetwork.log.some(({ message = '' }) => /claimed 401/.test(message)))
  assert.ok(!byNetwork.output().includes('hidden'))
})

test('the line at the start says who is trusted', async () => {
  const lineOf = (gateway: typeof none) =>
    gateway.log.find(({ message = '' }) => message.includes('listens on'))?.message
  assert.match(lineOf(none)!, /trusted peers: none/)
  assert.match(lineOf(byNetwork)!, /trusted peers: 127\.0\.0\.2\/32/)
  assert.match(lineOf(withSecret)!, /trusted peers: loopback, private with the proxy secret/)
})
