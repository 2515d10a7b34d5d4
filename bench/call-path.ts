/**
 * Lists the functions that a request calls, by file: for a forward-auth hit, a proxied GET and a WebSocket, each after an identical
 * request that has filled the caches. Level info, metrics, and an Elasticsearch that is not called. `node bench/call-path.ts`
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

type Calls = readonly (readonly [file: string, functions: readonly string[]])[]

const upstream = createServer((_request, response) => void response.end('ok')).on('upgrade', (_request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  socket.on('data', (chunk) => socket.write(chunk)).on('end', () => socket.end())
})
upstream.listen(0, '127.0.0.1')
await once(upstream, 'listening')
const upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`

const proxySecret = 'shared-by-proxy-and-elastauth'
const headers = { 'Remote-User': 'bob', 'Remote-Groups': 'staff', 'X-Proxy-Secret': proxySecret }
const responder = await startRecorded({})
const proxy = await startRecorded({ 'proxy.enabled': 'true', 'proxy.elasticsearch_url': upstreamUrl })
await report('forward-auth hit', responder.child, () => get(responder.url))
await report('proxied GET', proxy.child, () => get(`${proxy.url}/_search?q=a`))
await report('WebSocket', proxy.child, () => useWebSocket(proxy.url))
process.exit(0)

async function startRecorded(flags: Readonly<Record<string, string>>): Promise<{ child: ChildProcess; url: string }> {
  const all = {
    listen: '127.0.0.1:0',
    log_format: 'json',
    enable_metrics: 'true',
    default_roles: 'viewer',
    proxy_secret_header: 'X-Proxy-Secret',
    'elasticsearch.dry_run': 'true',
    ...flags,
  }
  const args = Object.entries(all).flatMap(([key, value]) => [`--${key}`, value])
  const file = (name: string) => new URL(name, import.meta.url).pathname
  const child = spawn(process.execPath, ['--import', file('call-recorder.ts'), file('../src/main.ts'), ...args], {
    env: { PATH: process.env.PATH, ELASTAUTH_SECRET_KEY: hash('sha256', 'bench'), ELASTAUTH_PROXY_SECRET: proxySecret },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  process.on('exit', () => child.kill())
  for await (const line of createInterface(child.stdout!)) {
    const url = / listens on (http:[^\s,;"]+)/.exec(line)?.[1]
    if (url !== undefined) {
      child.stdout!.resume()
      return { child, url }
    }
  }
  throw new Error('elastauth did not start')
}

async function report(name: string, child: ChildProcess, use: () => Promise<void>): Promise<void> {
  for (let i = 0; i < 2; i++) await use()
  await takeCalls(child)
  await use()
  const calls = await takeCalls(child)
  const count = calls.reduce((sum, [, functions]) => sum + functions.length, 0)
  console.log(`\n${name}: ${calls.length} files, ${count} named functions`)
  for (const [file, functions] of calls.toSorted(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`  ${file}: ${functions.join(', ')}`)
}

/** The functions that were called since the previous call. */
async function takeCalls(child: ChildProcess): Promise<Calls> {
  await sleep(100) // for what runs after the response: the log, and events of the closed connection
  child.send('take')
  const [calls] = await once(child, 'message')
  return calls
}

async function get(url: string): Promise<void> {
  const response = await fetch(url, { headers })
  await response.arrayBuffer()
  if (response.status !== 200) throw new Error(`${url}: ${response.status}`)
}

async function useWebSocket(url: string): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const upgrade = { Host: 'es', Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'a2V5', ...headers }
  const lines = Object.entries(upgrade).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`GET /socket HTTP/1.1\r\n${lines.join('')}\r\n`)
  await once(socket, 'data')
  socket.write('hello')
  await once(socket, 'data')
  socket.end()
  await once(socket, 'close')
}
