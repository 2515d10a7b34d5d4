import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { startProxy } from '../../support/upstream.ts'
import { whyNotInstalled } from './installed.ts'
import { type RealProxy, startRealProxy } from './proxy.ts'

/** A plain reverse proxy on this machine, in front of proxy mode. @param marks whether it adds X-Forwarded-For */
function plainHaproxy(marks: boolean): RealProxy {
  return {
    name: 'haproxy',
    program: 'haproxy',
    profile: 'generic',
    command: ({ port }, { elastauth }) => ({
      args: ['-db', '-f', 'haproxy.cfg'],
      files: {
        'haproxy.cfg': `defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
${marks ? '  option forwardfor\n' : ''}
frontend all
  bind 127.0.0.1:${port}
  default_backend elastauth
backend elastauth
  server elastauth ${elastauth}
`,
      },
    }),
  }
}

function plainNginx(marks: boolean): RealProxy {
  return {
    name: 'nginx',
    program: 'nginx',
    profile: 'generic',
    command({ directory, port }, { elastauth }) {
      const conf = `daemon off; master_process off; pid ${directory}/pid; error_log stderr warn; events {}
        http { access_log off; client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p;
          server { listen 127.0.0.1:${port}; location / { proxy_pass http://${elastauth}; proxy_http_version 1.1;
            ${marks ? 'proxy_set_header X-Forwarded-For $remote_addr;' : ''} proxy_set_header Host $http_host; } } }`
      return {
        args: ['-p', directory, '-e', 'stderr', '-c', join(directory, 'nginx.conf')],
        files: { 'nginx.conf': conf },
      }
    },
  }
}

for (const create of [plainHaproxy, plainNginx]) {
  const { name } = create(true)
  describe(`/elastauth/config behind ${name} on the same machine`, {
    skip: whyNotInstalled(create(true)),
  }, async () => {
    const until = new AsyncDisposableStack()
    after(() => until.disposeAsync())
    const gateway = await startProxy('http://127.0.0.1:9')

    async function statusThrough(neighbour: RealProxy): Promise<number> {
      const around = { authelia: '', elastauth: new URL(gateway.url).host, kibana: '', proxySecret: '' }
      const { port } = await startRealProxy(neighbour, around, until)
      const socket = connect(port, '127.0.0.1')
      let text = ''
      socket.on('data', (chunk) => (text += chunk))
      socket.write('GET /elastauth/config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      await once(socket, 'close', { signal: AbortSignal.timeout(20_000) })
      return Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1])
    }

    test('is not for a client that sends "Host: localhost" where the proxy adds X-Forwarded-For', async () => {
      assert.ok([401, 403].includes(await statusThrough(create(true))))
    })

    test('is for such a client where it adds nothing, as SECURITY.md says', async () => {
      assert.equal(await statusThrough(create(false)), 200)
    })
  })
}
