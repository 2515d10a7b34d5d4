import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startUpstream } from '../support/upstream.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture({ accounts: { lowly: { password: 'changeme' } } })

async function readiness({ url }: { url: string }) {
  const response = await fetch(`${url}/elastauth/ready`)
  const { components } = (await response.json()) as { components: Record<string, string> }
  return { status: response.status, ...components }
}

/** An address that refuses connections. */
const closed = 'http://127.0.0.1:1'
const elasticsearch = { elasticsearch: 'up', 'privilege manage_security': 'up' }

test('/elastauth/ready responds with 503 that names the privilege if the service account lacks manage_security', async () => {
  const gateway = await start({ env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'lowly' } })
  assert.deepEqual(await readiness(gateway), {
    status: 503,
    elasticsearch: 'up',
    'privilege manage_security': 'down',
  })
  await gateway.logged(({ message = '' }) =>
    /^privilege manage_security is down: our service account lowly lacks/.test(message),
  )
})

test('/elastauth/ready responds with 503 in proxy mode if the only upstream is down, and with 200 when it is up', async () => {
  const upstream = await startUpstream((_request, response) => response.writeHead(401).end())
  const startProxy = (url: string) => start({ flags: { 'proxy.enabled': 'true', 'proxy.elasticsearch_url': url } })
  const [up, down] = await Promise.all([startProxy(`${upstream.url}/base`), startProxy(closed)])
  assert.deepEqual(await readiness(up), { status: 200, ...elasticsearch, [`upstream ${upstream.url}`]: 'up' })
  assert.deepEqual(await readiness(down), { status: 503, ...elasticsearch, [`upstream ${closed}`]: 'down' })
  await down.logged(({ message = '' }) => message === `upstream ${closed} is down: it does not respond`)
})

test('/elastauth/ready reports an upstream that is down as degraded as long as each of its routes has another one', async () => {
  const upstream = await startUpstream((_request, response) => response.end())
  const startRoutes = (routes: object[]) =>
    start({ flags: { 'proxy.enabled': 'true' }, env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) } })
  const both = { path: '/', upstreams: [closed, upstream.url] }
  const names = { up: `upstream ${upstream.url}`, down: `upstream ${closed}` }
  assert.deepEqual(await readiness(await startRoutes([both])), {
    status: 200,
    ...elasticsearch,
    [names.up]: 'up',
    [names.down]: 'degraded',
  })
  assert.deepEqual(await readiness(await startRoutes([both, { path: '/app', upstreams: [closed] }])), {
    status: 503,
    ...elasticsearch,
    [names.up]: 'up',
    [names.down]: 'down',
  })
})
