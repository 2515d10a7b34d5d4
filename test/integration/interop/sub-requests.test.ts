import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { callers } from '../../conformance/callers/index.ts'
import { original } from '../../conformance/case.ts'
import { exchange } from '../../conformance/exchange.ts'
import { type Header, type Original, type SubRequest, without } from '../../conformance/message.ts'
import { whyNotInstalled } from './installed.ts'
import { listen } from './listen.ts'
import { type RealProxy, startRealProxy } from './proxy.ts'

/** The least that makes each program ask `authelia`, and nobody else, with a path and a query of its own. */
const programs: readonly RealProxy[] = [
  {
    name: 'nginx',
    program: 'nginx',
    profile: 'nginx',
    command({ directory, port }, { authelia }) {
      const conf = `daemon off; master_process off; pid ${directory}/pid; error_log stderr warn; events {}
        http { access_log off; client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p;
          server { listen 127.0.0.1:${port};
            location / { auth_request /ask; proxy_pass http://${authelia}; }
            location = /ask { internal; proxy_pass http://${authelia}/verify?for=tests;
              proxy_pass_request_body off; proxy_set_header Content-Length "";
              proxy_set_header X-Original-URL https://$http_host$request_uri;
              proxy_set_header X-Original-Method $request_method; proxy_set_header X-Forwarded-For 192.0.2.10; } } }`
      return {
        args: ['-p', directory, '-e', 'stderr', '-c', join(directory, 'nginx.conf')],
        files: { 'nginx.conf': conf },
      }
    },
  },
  {
    name: 'caddy',
    program: 'caddy',
    profile: 'generic',
    command({ port }, { authelia }) {
      const options = '{\n admin off\n auto_https off\n default_bind 127.0.0.1\n}\n'
      const site = `http://app.example.com:${port} {\n forward_auth ${authelia} {\n  uri /verify?for=tests\n }\n respond yes\n}\n`
      return { args: ['run', '--config', 'Caddyfile'], files: { Caddyfile: options + site } }
    },
  },
]

const identity: Header = ['Remote-User', 'bob']
const originals: Readonly<Record<string, Original>> = {
  'a GET': original([identity, ['Accept', 'text/html'], ['Cookie', 'a=1; b=2'], ['Authorization', 'Basic eDp5']]),
  'a body by its length': original([identity, ['Content-Length', '3'], ['Content-Type', 'text/plain']], {
    method: 'POST',
  }),
  'a body in chunks': original([identity, ['Transfer-Encoding', 'chunked']], { method: 'PUT' }),
  'a WebSocket': original([
    identity,
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Key', 'eA=='],
  ]),
  'a header for this connection': original([identity, ['Connection', 'close, X-A'], ['X-A', '1'], ['X-B', '2']]),
  'a header twice': original([identity, identity]),
  'an alias': original([identity, ['Remote_User', 'eve'], ['Remote.User', 'eve']]),
  'an odd path': original([identity], { target: '/a%2Fb//c?x=%20&y' }),
}

for (const program of programs) {
  describe(`what ${program.name} asks is what the conformance suite says it asks`, {
    skip: whyNotInstalled(program),
  }, () => {
    const until = new AsyncDisposableStack()
    after(() => until.disposeAsync())
    const asked: IncomingMessage[] = []
    const started = start()

    async function start() {
      const server = createServer((request, response) => {
        asked.push(request)
        response.writeHead(401).end()
      })
      const nobody = { elastauth: '', kibana: '', proxySecret: '' }
      const authelia = await listen(server, until)
      return { authelia, proxy: await startRealProxy(program, { ...nobody, authelia }, until) }
    }

    for (const [name, one] of Object.entries(originals)) {
      test(name, async () => {
        const { authelia, proxy } = await started
        await exchange(new URL(proxy.url), [toWire(one)], 5000)
        const url = new URL(`http://${authelia}/verify?for=tests`)
        const said = callers.get(program.name)!.ask(one, { url, pathPrefix: '', passed: [] })
        assert.deepEqual(seen(asked.at(-1)!), { ...said, headers: comparable(said.headers) })
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

function seen({ method, url, httpVersion, rawHeaders }: IncomingMessage) {
  const headers = rawHeaders.flatMap((name, i): Header[] => (i % 2 === 0 ? [[name, rawHeaders[i + 1]!]] : []))
  return { method, target: url, version: httpVersion, headers: comparable(headers) }
}

/** Neither order nor case of the names is looked at, nor what follows from where the tests run, nor what newer Caddys add. */
function comparable(headers: readonly Header[]): string[] {
  const here: Readonly<Record<string, string>> = { 'x-forwarded-for': 'address', 'x-forwarded-proto': 'scheme' }
  return without(headers, ['Via'])
    .map(([name, value]) => `${name.toLowerCase()}: ${here[name.toLowerCase()] ?? value}`)
    .toSorted()
}
