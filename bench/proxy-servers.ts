/** The upstreams and proxies of the proxy benchmarks, each a process of its own: `node bench/proxy-servers.ts KIND [UPSTREAM]` */
import { Agent, createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { Pool } from 'undici'

const [kind = '', upstream = ''] = process.argv.slice(2)
const piece = Buffer.alloc(64 * 1024, 'x')

const kinds: Record<string, () => RequestListener> = {
  /** Sends a small response, or as many megabytes as `/MB` says, or reads the whole body of a POST. */
  upstream: () => async (request, response) => {
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
  },
  /** Starts a response that does not end. */
  open: () => (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write('data: first\n\n')
  },
  /** The minimum with undici: no authentication, headers as received. */
  dispatch: () => {
    const pool = new Pool(upstream, { pipelining: 1 })
    return (request, response) => {
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
    }
  },
  'http-proxy-3': () => {
    const proxy = createProxyServer({ target: upstream, agent: new Agent({ keepAlive: true }) })
    return (request, response) => proxy.web(request, response)
  },
}

const server = createServer({ requestTimeout: 0, keepAliveTimeout: 600_000 }, kinds[kind]!())
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
