/** The minimal programs to compare with, and upstreams: `node bench/servers.ts KIND PORT [UPSTREAM]`. With TLS_CERT and TLS_KEY by TLS. */
import { readFileSync } from 'node:fs'
import { Agent, createServer, type RequestListener, type Server } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { connect } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { pinoHttp } from 'pino-http'
import { Pool } from 'undici'

const [kind = '', port = '', upstream = ''] = process.argv.slice(2)
const { TLS_CERT, TLS_KEY } = process.env
const tls = TLS_CERT && TLS_KEY ? { cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) } : undefined
const timeouts = { requestTimeout: 0, keepAliveTimeout: 600_000 }
const piece = Buffer.alloc(64 * 1024, 'x')
const body =
  '{"message":"Authentication successful","username":"testuser","groups":["admins","users"],"email":"test@example.com"}\n'
const switchingProtocols = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

/** Writes the response that elastauth writes, and does nothing else. */
const respond = (_request: unknown, response: Parameters<RequestListener>[1]) => {
  response.writeHead(200, {
    Authorization: 'Basic dGVzdHVzZXI6TUtVVjFFWHE4d1VJY1F0azdMd3FlbUFnbmtmWkFVcmt4ZGtIOTdIZ2dxVQ==',
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  })
  response.end(body)
}

const kinds: Readonly<Record<string, () => { listen: (port: number, host: string) => unknown }>> = {
  'bare node:http': () => serve(respond),
  /** The same, with the line that pino-http writes by default. */
  'node:http with pino-http': () => {
    const log = pinoHttp()
    return serve((request, response) => {
      log(request, response)
      respond(request, response)
    })
  },
  'bare node:http2': () => createSecureServer({ ...tls, allowHTTP1: true }, respond as never),
  /** Sends a small response, or as many megabytes as `/MB` says, or reads the whole body of a POST. Echoes WebSockets. */
  upstream: () =>
    serve(async (request, response) => {
      if (request.method === 'POST') {
        let length = 0
        for await (const chunk of request) length += chunk.length
        return void response.end(String(length))
      }
      const megabytes = Number(request.url?.slice(1))
      if (!megabytes) return void response.end('{"took":1,"timed_out":false}')
      let left = megabytes * 16
      const writeMore = () => {
        while (left-- > 0) if (!response.write(piece)) return void response.once('drain', writeMore)
        response.end()
      }
      writeMore()
    }).on('upgrade', (_request, socket) => {
      socket.on('error', () => {}).write(switchingProtocols)
      socket.pipe(socket)
    }),
  /** Starts a response that does not end. */
  open: () =>
    serve((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write('data: first\n\n')
    }),
  /** The minimum with undici: no authentication, headers as received. */
  'bare undici.dispatch': () => {
    const pool = new Pool(upstream, { pipelining: 1 })
    return serve((request, response) => {
      const headers = request.rawHeaders.filter(
        (_, i, all) => !/^(connection|transfer-encoding)$/i.test(all[i - (i % 2)]!),
      )
      const body = request.method === 'POST' ? request : null
      pool.dispatch(
        { path: request.url!, method: request.method!, headers, body },
        {
          onRequestStart(controller) {
            response.on('drain', () => controller.resume())
          },
          onResponseStart({ rawHeaders }, status) {
            const pairs = (rawHeaders as Buffer[]).map(String)
            response.writeHead(
              status,
              pairs.filter((_, i) => !/^(connection|keep-alive|transfer-encoding)$/i.test(pairs[i - (i % 2)]!)),
            )
          },
          onResponseData(controller, chunk) {
            if (!response.write(chunk)) controller.pause()
          },
          onResponseEnd: () => response.end(),
          onResponseError: () => response.destroy(),
        },
      )
    })
  },
  'http-proxy-3': () => {
    const proxy = createProxyServer({ target: upstream, agent: new Agent({ keepAlive: true }) })
    return serve((request, response) => proxy.web(request, response)).on('upgrade', (request, socket, head) =>
      proxy.ws(request, socket as never, head),
    )
  },
  /** Accepts each upgrade, and pipes the connection to one of the upstream, which responds to it. */
  'bare tunnel': () =>
    serve(respond).on('upgrade', ({ method, url, rawHeaders }, socket) => {
      const lines = rawHeaders.flatMap((text, i) => (i % 2 === 0 ? [`${text}: ${rawHeaders[i + 1]}`] : []))
      const outgoing = connect(Number(new URL(upstream).port), '127.0.0.1').on('error', () => socket.destroy())
      outgoing.write([`${method} ${url} HTTP/1.1`, ...lines, '', ''].join('\r\n'))
      socket.on('error', () => outgoing.destroy()).pipe(outgoing)
      outgoing.pipe(socket)
    }),
}

const start = kinds[kind]
if (start === undefined) throw new Error(`there is no server "${kind}": choose one of ${Object.keys(kinds).join(', ')}`)
start().listen(Number(port), '127.0.0.1')

function serve(listener: RequestListener): Server {
  return tls ? createHttpsServer({ ...timeouts, ...tls }, listener) : createServer(timeouts, listener)
}
