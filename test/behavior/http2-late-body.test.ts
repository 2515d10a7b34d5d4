import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import { after, test } from 'node:test'
import { authority, tlsFlags } from '../support/tls-files.ts'
import { startProxy, startUpstream } from '../support/upstream.ts'
import { createFixture } from './fixture.ts'

const { elasticsearch, start } = await createFixture()
const upstream = await startUpstream((request, response) => request.resume().on('end', () => response.end('ok')))

const sessions = new Map<string, ClientHttp2Session>()
after(() => {
  for (const session of sessions.values()) session.destroy()
})

/** Sends a body behind the head of a request over HTTP/2, on a connection that stays. @returns the answer's status */
async function post(url: string, user: string, body: string): Promise<number> {
  const session = sessions.get(url) ?? connect(url, { ca: authority.cert })
  sessions.set(url, session)
  const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': user })
  stream.end(body)
  const [head] = await once(stream, 'response')
  await once(stream.resume(), 'close')
  return head[':status']
}

test('a body that is whole, or empty, before its user is known goes upstream', async () => {
  elasticsearch.faults.delay = 100
  const flags = { ...tlsFlags(), 'proxy.enabled': 'true', 'proxy.elasticsearch_url': upstream.url }
  const { url } = await start({ flags })
  for (const body of ['', 'hello']) assert.equal(await post(url, `user-${body.length}`, body), 200)
})

test('a body that no upstream took keeps nothing open when elastauth ends', { timeout: 60_000 }, async () => {
  const gateway = await startProxy('http://127.0.0.1:9', { flags: { ...tlsFlags(), shutdown_timeout: '10m' } })
  assert.equal(await post(gateway.url, 'bob', 'x'.repeat(1000)), 502)
  assert.equal(await gateway.stop(), 0)
})
