import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { after, describe, test } from 'node:test'
import { callers } from '../../conformance/callers/index.ts'
import { original } from '../../conformance/case.ts'
import { exchange } from '../../conformance/exchange.ts'
import { type Original, type SubRequest, without } from '../../conformance/message.ts'
import type { Header } from '../../support/raw-http.ts'
import { listen } from './listen.ts'
import { caddyCommand, nginxCommand, type RealProxy, startRealProxy } from './real-proxy.ts'
import { skipWithout } from './skip-without.ts'

/** Minimal configurations that send sub-requests to `authelia`, with a path and a query of their own. */
const programs: readonly RealProxy[] = [
  {
    name: 'nginx',
    program: 'nginx',
    profile: 'nginx',
    command: ({ directory, port }, { authelia }) =>
      nginxCommand(
        directory,
        `server { listen 127.0.0.1:${port};
            location / { auth_request /ask; proxy_pass http://${authelia}; }
            location = /ask { internal; proxy_pass http://${authelia}/verify?for=tests;
              proxy_pass_request_body off; proxy_set_header Content-Length "";
              proxy_set_header X-Original-URL https://$http_host$request_uri;
              proxy_set_header X-Original-Method $request_method; proxy_set_header X-Forwarded-For 192.0.2.10; } }`,
      ),
  },
  {
    name: 'caddy',
    program: 'caddy',
    profile: 'generic',
    command: ({ port }, { authelia }) =>
      caddyCommand(
        `http://app.example.com:${port} {\n forward_auth ${authelia} {\n  uri /verify?for=tests\n }\n respond yes\n}\n`,
      ),
  },
]

const identity: Header = ['Remote-User', 'bob']
const originals: Readonly<Record<string, Original>> = {
  'a GET': original([identity, ['Accept', 'text/html'], ['Cookie', 'a=1; b=2'], ['Authorization', 'Basic eDp5']]),
  'a body with Content-Length': original([identity, ['Content-Length', '3'], ['Content-Type', 'text/plain']], {
    method: 'POST',
  }),
  'a chunked body': original([identity, ['Transfer-Encoding', 'chunked']], { method: 'PUT' }),
  'a WebSocket': original([
    identity,
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Key', 'eA=='],
  ]),
  'a hop-by-hop header': original([identity, ['Connection', 'close, X-A'], ['X-A', '1'], ['X-B', '2']]),
  'a repeated header': original([identity, identity]),
  'an alias of Remote-User': original([identity, ['Remote_User', 'eve'], ['Remote.User', 'eve']]),
  'a path with unusual characters': original([identity], { target: '/a%2Fb//c?x=%20&y' }),
}

for (const program of programs) {
  describe(`the conformance suite's sub-requests and those of ${program.name}`, {
    skip: skipWithout(program),
  }, () => {
    const cleanup = new AsyncDisposableStack()
    after(() => cleanup.disposeAsync())
    const received: IncomingMessage[] = []
    const started = start()

    async function start() {
      const server = createServer((request, response) => {
        received.push(request)
        response.writeHead(401).end()
      })
      const unused = { elastauth: '', kibana: '', proxySecret: '' }
      const authelia = await listen(server, cleanup)
      return { authelia, proxy: await startRealProxy(program, { ...unused, authelia }, cleanup) }
    }

    for (const [name, one] of Object.entries(originals)) {
      test(`the conformance suite sends the same sub-request about ${name} as ${program.name}`, async () => {
        const { authelia, proxy } = await started
        await exchange(new URL(proxy.url), [toWire(one)], 20_000)
        const url = new URL(`http://${authelia}/verify?for=tests`)
        const expected = callers.get(program.name)!.subRequestFor(one, { url, pathPrefix: '', passed: [] })
        assert.deepEqual(comparableRequest(received.at(-1)!), {
          ...expected,
          headers: comparableHeaders(expected.headers),
        })
      })
    }
  })
}

function toWire({ method, target, host, headers }: Original): SubRequest {
  const names = headers.map(([name]) => name)
  const body = names.includes('Content-Length')
    ? 'abc'
    : names.includes('Transfer-Encoding')
      ? '3\r\nabc\r\n0\r\n\r\n'
      : ''
  return { method, target, version: '1.1', headers: [['Host', host], ...headers], body }
}

function comparableRequest({ method, url, httpVersion, rawHeaders }: IncomingMessage) {
  const headers = rawHeaders.flatMap((name, i): Header[] => (i % 2 === 0 ? [[name, rawHeaders[i + 1]!]] : []))
  return { method, target: url, version: httpVersion, headers: comparableHeaders(headers) }
}

/** Ignores the order and case of the names, the address and scheme of the test, and headers that newer versions of Caddy add. */
function comparableHeaders(headers: readonly Header[]): string[] {
  const replaced: Readonly<Record<string, string>> = { 'x-forwarded-for': 'address', 'x-forwarded-proto': 'scheme' }
  return without(headers, ['Via'])
    .map(([name, value]) => `${name.toLowerCase()}: ${replaced[name.toLowerCase()] ?? value}`)
    .toSorted()
}
