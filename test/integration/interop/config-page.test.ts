import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { openRaw, parseResponse } from '../../support/raw-http.ts'
import { startProxy } from '../../support/upstream.ts'
import { haproxyCommand, nginxCommand, type RealProxy, startRealProxy } from './real-proxy.ts'
import { skipWithout } from './skip-without.ts'

/** A plain reverse proxy on the same machine, in front of proxy mode. */
type PlainProxy = (options: { addsForwardedFor: boolean }) => RealProxy

const plainHaproxy: PlainProxy = ({ addsForwardedFor }) => ({
  name: 'HAProxy',
  program: 'haproxy',
  profile: 'generic',
  command: ({ port }, { elastauth }) =>
    haproxyCommand(`defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
${addsForwardedFor ? '  option forwardfor\n' : ''}
frontend all
  bind 127.0.0.1:${port}
  default_backend elastauth
backend elastauth
  server elastauth ${elastauth}
`),
})

const plainNginx: PlainProxy = ({ addsForwardedFor }) => ({
  name: 'nginx',
  program: 'nginx',
  profile: 'generic',
  command: ({ directory, port }, { elastauth }) =>
    nginxCommand(
      directory,
      `server { listen 127.0.0.1:${port}; location / { proxy_pass http://${elastauth}; proxy_http_version 1.1;
        ${addsForwardedFor ? 'proxy_set_header X-Forwarded-For $remote_addr;' : ''} proxy_set_header Host $http_host; } }`,
    ),
})

for (const create of [plainHaproxy, plainNginx]) {
  const marking = create({ addsForwardedFor: true })
  describe(`/elastauth/config behind ${marking.name} on the same machine`, { skip: skipWithout(marking) }, async () => {
    const cleanup = new AsyncDisposableStack()
    after(() => cleanup.disposeAsync())
    const gateway = await startProxy('http://127.0.0.1:9')

    async function statusThrough(realProxy: RealProxy): Promise<number | undefined> {
      const backends = { authelia: '', elastauth: new URL(gateway.url).host, kibana: '', proxySecret: '' }
      const { port } = await startRealProxy(realProxy, backends, cleanup)
      const connection = openRaw(port)
      connection.send('GET /elastauth/config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      return parseResponse(await connection.closed)?.response.status
    }

    test('/elastauth/config is denied to a client that sends "Host: localhost" if the proxy adds X-Forwarded-For', async () => {
      assert.ok([401, 403].includes((await statusThrough(marking))!))
    })

    test('/elastauth/config is served to a client that sends "Host: localhost" if the proxy adds no header, as SECURITY.md says', async () => {
      assert.equal(await statusThrough(create({ addsForwardedFor: false })), 200)
    })
  })
}
