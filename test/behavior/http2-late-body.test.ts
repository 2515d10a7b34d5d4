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

/** Sends a request with a body on a persistent HTTP/2 connection. @returns the status of the response */
async function post(url: string, user: string, body: string): Promise<number> {
  const session = sessions.get(url) ?? connect(url, { ca: authority.cert })
  sessions.set(url, session)
  const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': user })
  stream.end(body)
  const [head] = await once(stream, 'response')
  await once(stream.resume(), 'close')
  return head[':status']
}

test('an HTTP/2 body that arrives before the user is authenticated is forwarded, even if the body is empty', async () => {
  elasticsearch.faults.delay = 100
  const flags = { ...tlsFlags(), 'proxy.enabled': 'true', 'proxy.elasticsearch_url': upstream.url }
  const { url } = await start({ flags })
  for (const body of ['', 'hello']) assert.equal(await post(url, `user-${body.length}`, body), 200)
})

test('an HTTP/2 body that no upstream has read does not delay the shutdown', { timeout: 300_000 }, async () => {
  const gateway = await startProxy('http://127.0.0.1:9', { flags: { ...tlsFlags(), shutdown_timeout: '10m' } })
  assert.equal(await post(gateway.url, 'bob', 'x'.repeat(1000)), 502)
  assert.equal(await gateway.stop(), 0)
})
