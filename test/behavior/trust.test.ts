import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchange, type RawResponse } from '../support/raw-http.ts'
import { createFixture } from './fixture.ts'

const { elasticsearch, start, userCalls } = await createFixture()
const secret = 'a-shared-secret-of-32-characters'
const startWith = (trusted_proxies: string) => start({ flags: { trusted_proxies } })
const [none, all, network, loopback, withSecret] = await Promise.all([
  startWith('none'),
  startWith('all'),
  startWith('127.0.0.2/32'),
  startWith('loopback'),
  start({ env: { ELASTAUTH_PROXY_SECRET: secret } }),
])
const firstAddress = '127.0.0.1'
const secondAddress = '127.0.0.2'

function ask({ url }: { url: string }, localAddress: string, ...headers: string[]): Promise<RawResponse> {
  return exchange(url, ['GET / HTTP/1.1', 'Host: elastauth', ...headers], { localAddress })
}

async function statuses(gateway: { url: string }, ...headers: string[]): Promise<number[]> {
  const responses = [firstAddress, secondAddress].map((address) =>
    ask(gateway, address, 'Remote-User: bob', ...headers),
  )
  return (await Promise.all(responses)).map(({ status }) => status)
}

test('trusted_proxies decides which peers may assert an identity: all, none, a network or loopback', async () => {
  assert.deepEqual(await statuses(all), [200, 200])
  assert.deepEqual(await statuses(none), [401, 401])
  assert.deepEqual(await statuses(network), [401, 200])
  assert.deepEqual(await statuses(loopback), [200, 200])
})

test('no header with an address (X-Forwarded-For, Forwarded and others) changes whether a peer is trusted', async () => {
  const names = ['X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'X-Client-IP', 'True-Client-IP', 'CF-Connecting-IP']
  const headersWith = (address: string) =>
    names.map((name) => `${name}: ${name === 'Forwarded' ? `for=${address}` : address}`)
  assert.deepEqual(await statuses(network, ...headersWith(secondAddress)), [401, 200])
  assert.deepEqual(await statuses(network, ...headersWith('203.0.113.9')), [401, 200])
})

test('rejects a spoofed Remote-User from an untrusted peer with 401, without a call to Elasticsearch', async () => {
  const before = userCalls()
  for (const name of ['elastic', 'mallory'])
    assert.equal((await ask(network, firstAddress, `Remote-User: ${name}`)).status, 401)
  assert.equal(userCalls(), before)
  assert.ok(!elasticsearch.users.has('mallory'))
  const line = await network.logged((entry) => entry['error.code'] === 'peer_untrusted')
  assert.match(line.message!, /not in trusted_proxies/)
  assert.deepEqual([line['log.level'], line['client.ip']], ['warn', firstAddress])
})

test('responds to an untrusted peer exactly as to a request without identity headers', async () => {
  const page = async (gateway: { url: string }, ...lines: string[]) => {
    const { head, body } = await ask(gateway, firstAddress, 'Accept: text/html', ...lines)
    return [head.replace(/^Date: .*$/m, ''), body.replace(/request id: [\w-]+/, '')]
  }
  const text = async (gateway: { url: string }, ...lines: string[]) => {
    const { status, body } = await ask(gateway, firstAddress, ...lines)
    return [status, JSON.parse(body).message]
  }
  for (const read of [page, text]) {
    const missing = await read(network)
    assert.deepEqual(await read(network, 'Remote-User: bob'), missing)
    assert.deepEqual(await read(withSecret, 'Remote-User: bob'), missing)
  }
})

test('rejects identity headers without exactly one correct proxy_secret', async () => {
  const header = 'X-Elastauth-Proxy-Secret'
  const statusWith = async (...lines: string[]) =>
    (await ask(withSecret, firstAddress, 'Remote-User: bob', ...lines)).status
  assert.equal(await statusWith(`${header}: ${secret}`), 200)
  assert.equal(await statusWith(`${header.toLowerCase()}: ${secret}`), 200)
  assert.equal(await statusWith(), 401)
  assert.equal(await statusWith(`${header}:`), 401)
  assert.equal(await statusWith(`${header}: ${secret}x`), 401)
  assert.equal(await statusWith(`${header}: ${secret.slice(1)}`), 401)
  assert.equal(await statusWith(`${header}: ${secret.toUpperCase()}`), 401)
  assert.equal(await statusWith(`${header}: ${secret}`, `${header}: ${secret}`), 401)
  assert.equal(await statusWith(`${header}: wrong`, `${header}: ${secret}`), 401)
  assert.equal(await statusWith(`${header}: ${secret}, ${secret}`), 401)
  assert.equal(await statusWith(`${header.replaceAll('-', '_')}: ${secret}`), 401)
})

test('rejects a peer outside trusted_proxies even with the correct proxy_secret', async () => {
  const both = await start({ flags: { trusted_proxies: secondAddress }, env: { ELASTAUTH_PROXY_SECRET: secret } })
  assert.deepEqual(await statuses(both, `X-Elastauth-Proxy-Secret: ${secret}`), [401, 200])
})

test('reads X-Forwarded-Method and X-Forwarded-Uri from trusted peers only', async () => {
  const headers = ['Remote-User: bob', 'X-Forwarded-Method: DELETE', 'X-Forwarded-Uri: /original?token=hidden']
  await ask(network, firstAddress, ...headers)
  await ask(network, secondAddress, ...headers)
  await network.logged(({ message }) => message === 'DELETE /original 200')
  assert.ok(!network.log.some(({ message = '' }) => /original 401/.test(message)))
  assert.ok(!network.output().includes('hidden'))
})

test('logs at startup which peers are trusted', async () => {
  const lineOf = (gateway: typeof none) =>
    gateway.log.find(({ message = '' }) => message.includes('listens on'))?.message
  assert.match(lineOf(none)!, /trusted peers: none/)
  assert.match(lineOf(network)!, /trusted peers: 127\.0\.0\.2\/32/)
  assert.match(lineOf(withSecret)!, /trusted peers: loopback, private with the proxy secret/)
})

test('the log of a rejected identity header says whether the address, the proxy_secret or its number is wrong', async () => {
  const header = 'X-Elastauth-Proxy-Secret'
  const reasonFor = async (gateway: typeof network, ...lines: string[]) => {
    const seenLines = gateway.log.length
    await ask(gateway, firstAddress, 'Remote-User: bob', ...lines)
    const line = await gateway.logged(
      (entry) => gateway.log.indexOf(entry) >= seenLines && entry['error.code'] === 'peer_untrusted',
    )
    return line.message!.replace('GET / 401 identity headers ', '')
  }
  assert.deepEqual(
    [
      await reasonFor(network),
      await reasonFor(withSecret),
      await reasonFor(withSecret, `${header}: ${secret}x`),
      await reasonFor(withSecret, `${header}: ${secret}`, `${header}: ${secret}`),
    ],
    [
      "from 127.0.0.1, which is not in trusted_proxies: add the address if it is your proxy's",
      `without the proxy_secret: let the proxy send it in the header ${header}`,
      `with a wrong proxy_secret in the header ${header}: set the same secret in the proxy and here`,
      `with 2 headers ${header}: let the proxy replace the header that it receives`,
    ],
  )
})
