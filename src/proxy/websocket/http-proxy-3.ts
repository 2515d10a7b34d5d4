import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { toHeaderObject } from '../../http/headers.ts'
import type { Upstream } from '../routing/upstreams.ts'
import { createSendTimeout } from '../send-timeout.ts'

/** An upgrade request to an upstream, with elastauth's headers and path in place of the client's. */
export type UpgradeRequest = Readonly<{
  request: IncomingMessage
  socket: Socket
  upstream: Upstream
  path: string
  headers: readonly string[]
  /** How long the upstream may take to respond. */
  timeoutMs: number
  /** How long the client of an open tunnel may leave data unread. */
  clientTimeoutMs: number
}>

/** How an upstream responds. Unless the client's socket closes before, the first call is the only one that counts. */
export type UpgradeListener = Readonly<{
  /** The upstream has responded with 101. @returns the headers for the client, as alternating names and values */
  onUpgrade: (rawHeaders: readonly string[]) => string[]
  /** The upstream has responded with another status. A later error of the connection destroys the response. */
  onResponse: (response: IncomingMessage) => void
  onError: (error: Error) => void
}>

/** @returns a function that cancels the request while the listener waits for the upstream */
export type SendUpgrade = (upgrade: UpgradeRequest, listener: UpgradeListener) => () => void

/**
 * Sends upgrade requests through http-proxy-3, which connects both sockets once the upstream has responded with 101.
 * Everything that works around the library is in this file.
 */
export function createSendUpgrade(): SendUpgrade {
  const proxy = createProxyServer({ prependPath: false, toProxy: true, xfwd: false })
  // Errors before the response are reported to the listener. http-proxy-3 closes the client's socket after later ones.
  proxy.on('error', () => {})

  return function sendUpgrade(upgrade, listener) {
    const { request, socket, upstream, headers } = upgrade
    // http-proxy-3 would send the client's headers, and has no option that replaces all of them.
    const view = Object.create(request, { headers: { value: toUpgradeHeaders(headers) } })
    let upstreamRequest: ClientRequest | undefined
    const onUpstreamRequest = (request: ClientRequest) => {
      upstreamRequest = request
      prepare(request, upgrade, listener)
    }
    proxy.once('proxyReqWs', onUpstreamRequest) // emitted within `ws`
    try {
      proxy.ws(view, socket, noHead, serverOptions(upstream))
    } catch (error) {
      listener.onError(error as Error) // an option that Node rejects
    } finally {
      proxy.off('proxyReqWs', onUpstreamRequest)
    }
    return () => void upstreamRequest?.destroy()
  }
}

/** The first bytes that the client has sent after its request are in the socket already (`UpgradeResponse`). */
const noHead = Buffer.alloc(0)

/** Prepares a request that http-proxy-3 is about to send. */
function prepare(upstreamRequest: ClientRequest, upgrade: UpgradeRequest, listener: UpgradeListener): void {
  const { socket, upstream, path, timeoutMs, clientTimeoutMs } = upgrade
  // Keeps the path byte for byte. http-proxy-3 would normalize the path when joining it with the URL's.
  upstreamRequest.path = upstream.url.pathname.replace(/\/+$/, '') + path
  // Node's own timeout begins only when the request is connected, and informational responses extend it.
  const timer = setTimeout(() => upstreamRequest.destroy(responseTimeout(timeoutMs)), timeoutMs)
  const stopTimer = () => clearTimeout(timer)
  upstreamRequest.once('close', stopTimer)
  upstreamRequest.once('upgrade', (response, upstreamSocket) => {
    stopTimer()
    rewriteResponse(response, socket, listener.onUpgrade(response.rawHeaders))
    resumeAfterClose(upstreamSocket, socket)
    limitSendTime(upstreamSocket, socket, clientTimeoutMs)
    limitTimeAfterClient(upstreamSocket, socket, timeoutMs)
  })
  // http-proxy-3 destroys only an upgraded connection with the client's socket.
  socket.once('close', () => upstreamRequest.destroy())
  // http-proxy-3 adds its listeners in this tick, after this event, so they are replaced in the next one, before a
  // response or an error can arrive.
  process.nextTick(replaceListeners, upstreamRequest, listener, stopTimer)
}

/**
 * Replaces http-proxy-3's listeners, which no option disables. It would write a response other than 101 itself, without
 * back-pressure and even if truncated, and would end the client's socket before an error response can be sent.
 */
function replaceListeners(upstreamRequest: ClientRequest, listener: UpgradeListener, onResponse: () => void): void {
  let response: IncomingMessage | undefined
  upstreamRequest.removeAllListeners('response').once('response', (received) => {
    response = received
    onResponse()
    listener.onResponse(response)
  })
  upstreamRequest.removeAllListeners('error').on('error', (error) => {
    if (response === undefined) listener.onError(error)
    else if (!response.complete) response.destroy(error)
  })
}

/** Replaces the headers of a 101 response, which http-proxy-3 writes next, as text. */
function rewriteResponse(response: IncomingMessage, socket: Socket, headers: readonly string[]): void {
  response.headers = { ...toUpgradeHeaders(headers), upgrade: response.headers.upgrade }
  socket.setDefaultEncoding('latin1')
}

/**
 * Discards data that the client still sends after the upstream has closed the tunnel. http-proxy-3 stops reading then,
 * but elastauth has to read in order to notice that the client closes the connection.
 */
function resumeAfterClose(upstreamSocket: Socket, socket: Socket): void {
  upstreamSocket.once('close', () => process.nextTick(() => socket.resume()))
}

/**
 * Disconnects a client that reads nothing for `clientTimeoutMs` of what the upstream has sent. This also applies before the
 * upstream closes: because of back-pressure, elastauth reads the end of the upstream's data only after the data before it.
 */
function limitSendTime(upstreamSocket: Socket, socket: Socket, clientTimeoutMs: number): void {
  const { start, end } = createSendTimeout(socket, clientTimeoutMs, {
    onTimeout() {
      socket.destroy()
      upstreamSocket.destroy()
    },
  })
  const onWait = () => {
    if (!socket.destroyed && !socket.writableFinished) start()
  }
  upstreamSocket.on('pause', onWait).once('end', onWait).once('close', onWait)
  socket.once('finish', end).once('close', end)
}

/**
 * Closes the connection to an upstream that sends nothing for `timeoutMs` after the client has ended its side, or does not close
 * within `timeoutMs` after the client's socket has closed. http-proxy-3 only ends it. The client's socket closes with it.
 */
function limitTimeAfterClient(upstreamSocket: Socket, socket: Socket, timeoutMs: number): void {
  let timer: NodeJS.Timeout | undefined
  const start = () => {
    clearTimeout(timer)
    if (!upstreamSocket.destroyed) timer = setTimeout(onTimeout, timeoutMs)
  }
  const onTimeout = () => {
    if (upstreamSocket.isPaused() && !socket.destroyed)
      start() // the client does not read, which has its own timeout
    else upstreamSocket.destroy()
  }
  socket.once('end', () => {
    start()
    upstreamSocket.on('data', start)
  })
  socket.once('close', () => {
    upstreamSocket.off('data', start)
    start()
    process.nextTick(() => upstreamSocket.resume()) // discards the rest, after http-proxy-3 has stopped reading
  })
  upstreamSocket.once('close', () => clearTimeout(timer))
}

function responseTimeout(timeoutMs: number): Error {
  const error = new Error(`the upstream did not respond to the upgrade request for ${timeoutMs} ms`)
  return Object.assign(error, { code: 'UND_ERR_HEADERS_TIMEOUT' })
}

/** The upstream's address and TLS options. http-proxy-3 modifies `ssl`, so it gets a copy. */
function serverOptions(upstream: Upstream) {
  const tls = upstream.tls()
  return { target: upstream.url, ...(tls && { ssl: { ...tls }, secure: tls.rejectUnauthorized }) }
}

/** Converts alternating names and values to an object for Node's HTTP client, and adds the headers of an upgrade. */
function toUpgradeHeaders(flat: readonly string[]): Record<string, string | string[]> {
  return toHeaderObject(['connection', 'Upgrade', 'upgrade', 'websocket', ...flat])
}
