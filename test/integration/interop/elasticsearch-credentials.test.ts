import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { useElasticsearch } from '../../support/elasticsearch/use-elasticsearch.ts'
import { elasticsearchFlags, startGateway } from '../../support/gateway.ts'
import { sendRequest } from './client-request.ts'
import { startFakeKibana } from './fake-kibana.ts'
import { createKeyOwner } from './key-owner.ts'
import {
  caddyCommand,
  haproxyCommand,
  nginxCommand,
  type RealProxy,
  type Running,
  startRealProxy,
} from './real-proxy.ts'
import { skipWithout } from './skip-without.ts'

const elasticsearch = await useElasticsearch()
const username = `interop-agent-${process.pid}`

/** Proxies that ask only elastauth, on a host name for programs. */
const proxies: readonly RealProxy[] = [
  {
    name: 'nginx',
    program: 'nginx',
    profile: 'nginx',
    command: ({ directory, port }, { elastauth, kibana, proxySecret }) =>
      nginxCommand(
        directory,
        `server {
          listen 127.0.0.1:${port};
          location / {
            auth_request /internal/auth;
            auth_request_set $authorization $upstream_http_authorization;
            proxy_pass http://${kibana};
            proxy_set_header Authorization $authorization;
            proxy_set_header es-security-runas-user "";
          }
          location = /internal/auth {
            internal;
            proxy_pass http://${elastauth}/;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Elastauth-Proxy-Secret "${proxySecret}";
          }
        }`,
      ),
  },
  {
    name: 'Caddy',
    program: 'caddy',
    profile: 'generic',
    command: ({ port }, { elastauth, kibana, proxySecret }) =>
      caddyCommand(
        `http://kibana.example.com:${port} {
          route {
            request_header -Es-Security-Runas-User
            forward_auth ${elastauth} {
              uri /
              header_up X-Elastauth-Proxy-Secret ${proxySecret}
              copy_headers Authorization
              transport http {
                keepalive off
              }
            }
            reverse_proxy ${kibana}
          }
        }`,
      ),
  },
  {
    name: 'HAProxy',
    program: 'haproxy',
    profile: 'generic',
    command: ({ port }, { elastauth, kibana, proxySecret }) =>
      haproxyCommand(
        `global
  lua-load forward-auth.lua
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend kibana
  bind 127.0.0.1:${port}
  http-request del-header es-security-runas-user
  http-request set-header X-Elastauth-Proxy-Secret ${proxySecret}
  http-request lua.forward-auth http://${elastauth}/ Authorization
  http-request deny deny_status 503 unless { var(txn.forward_auth) -m str yes }
  http-request del-header X-Elastauth-Proxy-Secret
  default_backend kibana
backend kibana
  server kibana ${kibana}
`,
      ),
  },
]

for (const realProxy of proxies) {
  const skip = skipWithout(realProxy) || elasticsearch.skip
  describe(`a program with an API key behind ${realProxy.name}`, { skip }, () => {
    const cleanup = new AsyncDisposableStack()
    let proxy: Running
    let apiKey: string

    before(async () => {
      const { node } = elasticsearch
      apiKey = await createKeyOwner(node, username, cleanup)
      const proxySecret = 'shared-by-proxy-and-elastauth'
      const gateway = await startGateway({
        flags: {
          ...elasticsearchFlags,
          'forward_auth.profile': realProxy.profile,
          'elasticsearch.hosts': node.url,
          auth_providers: 'elasticsearch,authelia',
        },
        env: {
          ELASTAUTH_PROXY_SECRET: proxySecret,
          ELASTAUTH_ELASTICSEARCH_USERNAME: node.username,
          ELASTAUTH_ELASTICSEARCH_PASSWORD: node.password,
        },
      })
      cleanup.defer(async () => void (await gateway.stop()))
      const { address: kibana } = await startFakeKibana(node, cleanup)
      const backends = { authelia: '127.0.0.1:9', elastauth: new URL(gateway.url).host, kibana, proxySecret }
      proxy = await startRealProxy(realProxy, backends, cleanup)
    })
    after(() => cleanup.disposeAsync())

    test('the application receives the API key, with which it is the owner of the key', async () => {
      const lines = [`Authorization: ApiKey ${apiKey}`, 'es-security-runas-user: kibana_system']
      for (const method of ['GET', 'POST']) {
        const { status, user } = await sendRequest(proxy, { method, lines, ...(method === 'POST' && { body: 1000 }) })
        assert.deepEqual([status, user], [200, username])
      }
    })

    for (const [what, lines] of [
      ['an invented API key', [`Authorization: ApiKey ${Buffer.from('invented:key').toString('base64')}`]],
      ['a malformed API key', ['Authorization: ApiKey ,']],
      ['an unknown bearer token', ['Authorization: Bearer eyJ.e30.x']],
      ['no credential', []],
    ] as const) {
      test(`a request with ${what} gets 401`, async () => {
        assert.equal((await sendRequest(proxy, { lines })).status, 401)
      })
    }

    test('a request with two Authorization lines does not reach the application with another credential', async () => {
      const lines = [`Authorization: ApiKey ${apiKey}`, 'Authorization: Basic eDp5']
      const { status, user } = await sendRequest(proxy, { lines })
      assert.ok(status === 400 || status === 401 || status === 403 || user === username, `${status} ${user}`)
    })
  })
}
