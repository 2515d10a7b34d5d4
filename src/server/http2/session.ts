import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { ConnectionBudget } from '../connection-limit.ts'
import {
  authenticatedLimits,
  authenticatedShare,
  http1Limits,
  http2Limits,
  http2Weight,
  idleBeforeLowerMs,
  lingerTimeoutMs,
  maxControlFrames,
  unauthenticatedLimits,
} from '../listen/limits.ts'
import type { ListenerHandlers } from '../listen/listener.ts'
import { createHttp2Request, headSize } from './request.ts'
import { createHttp2Response } from './response.ts'

export type Http2 = Readonly<{
  /** Speaks HTTP/2 on a connection. */
  take: (socket: Socket) => void
  /** Takes no new streams, and closes each connection after its last one. */
  close: () => void
}>

/** HTTP/2 (RFC 9113) on connections of a listener. Extended CONNECT (RFC 8441) is not offered: WebSockets come by HTTP/1.1. */
export function createHttp2Protocol(onRequest: ListenerHandlers['onRequest'], weigh: ConnectionBudget['weigh']): Http2 {
  const sessions = new Set<ServerHttp2Session>()

  function take(socket: Socket): void {
    if (!weigh(socket, http2Weight.unknown)) return void socket.destroy()
    const session = performServerHandshake(socket, http2Limits)
    sessions.add(session)
    const { admit, onAuthenticated } = limitStreams(session, (client) =>
      weigh(socket, http2Weight[client], client === 'known' ? authenticatedShare : 1),
    )
    const stopTimer = limitSilence(session, socket)
    limitControlFrames(session, socket)
    session.on('error', () => {}) // faults end the session by themselves
    session.on('stream', (stream, headers, _flags, rawHeaders) => {
      if (!admit(stream, rawHeaders)) return
      const { request, check } = createHttp2Request(stream, headers, rawHeaders, socket)
      onRequest(request, createHttp2Response(stream, request.method === 'HEAD'), check, onAuthenticated)
    })
    socket.once('close', () => {
      stopTimer()
      sessions.delete(session)
    })
  }

  return Object.freeze({
    take,
    close() {
      for (const session of sessions) session.close()
    },
  })
}

/**
 * Until a connection has authenticated a user, low limits apply. Then it gets the limits that a browser with Kibana needs, if it
 * has acknowledged the first limits and there is room. A connection that has been idle for a while goes back to the low limits,
 * so that idle browsers leave the room to others; its next authenticated request raises them again.
 * @param weigh counts the connection as that of a known or an unknown client. @returns whether there is room
 */
function limitStreams(session: ServerHttp2Session, weigh: (client: keyof typeof http2Weight) => boolean) {
  let heldBytes = 0
  let open = 0
  let limits: typeof unauthenticatedLimits | typeof authenticatedLimits = unauthenticatedLimits
  let isAcknowledged = false
  let isAuthenticated = false
  /** Whether the client has been told the low limits again, and has not acknowledged them yet. */
  let isLowering = false
  let idleTimer: NodeJS.Timeout | undefined
  session.once('localSettings', () => {
    isAcknowledged = true
    raise()
  })
  session.once('close', () => clearTimeout(idleTimer))

  function raise(): void {
    if (!isAuthenticated || !isAcknowledged || isOver()) return
    if (limits === authenticatedLimits && !isLowering) return
    if (limits === unauthenticatedLimits && !weigh('known')) return
    limits = authenticatedLimits
    isLowering = false
    session.settings({ maxConcurrentStreams: authenticatedLimits.maxConcurrentStreams })
  }

  function lower(): void {
    if (limits === unauthenticatedLimits || isLowering || isOver()) return
    isLowering = true
    isAuthenticated = false
    // Until the acknowledgement the client may open as many streams as before.
    session.settings({ maxConcurrentStreams: unauthenticatedLimits.maxConcurrentStreams }, () => {
      if (!isLowering) return
      isLowering = false
      limits = unauthenticatedLimits
      weigh('unknown')
    })
  }

  /** The client may have disconnected during authentication. A session that it resets is destroyed, not closed. */
  function isOver(): boolean {
    return session.closed || session.destroyed
  }

  return Object.freeze({
    /** @returns false where the stream is refused, so that the client tries again later (RFC 9113, 8.7) */
    admit(stream: ServerHttp2Stream, received: readonly string[]): boolean {
      const bytes = headSize(received)
      if (heldBytes > 0 && heldBytes + bytes > limits.maxHeldBytes) {
        stream.on('error', () => {}).close(constants.NGHTTP2_REFUSED_STREAM)
        return false
      }
      heldBytes += bytes
      if (open++ === 0) clearTimeout(idleTimer)
      stream.once('close', () => {
        heldBytes -= bytes
        if (--open === 0 && limits === authenticatedLimits) idleTimer = setTimeout(lower, idleBeforeLowerMs).unref()
      })
      return true
    },
    onAuthenticated() {
      if (isAuthenticated) return
      isAuthenticated = true
      raise()
      if (isAcknowledged && limits === unauthenticatedLimits) isAuthenticated = false // there was no room: the next request tries again
    },
  })
}

/** Ends a connection that has no stream for too long. PING keeps none: Node's own timer would count it as life. */
function limitSilence(session: ServerHttp2Session, socket: Socket): () => void {
  let open = 0
  let timer = setTimeout(onSilence, http1Limits.headersTimeout)
  session.on('stream', (stream) => {
    open++
    clearTimeout(timer)
    stream.once('close', () => {
      open--
      // A session that has ended waits until all that it wrote is out, which is up to the client.
      if (open === 0) timer = setTimeout(onSilence, session.destroyed ? lingerTimeoutMs : http1Limits.keepAliveTimeout)
    })
  })
  return () => clearTimeout(timer)

  function onSilence(): void {
    if (session.destroyed) return void socket.destroy()
    timer = setTimeout(() => socket.destroy(), lingerTimeoutMs)
    session.destroy(undefined, constants.NGHTTP2_NO_ERROR)
  }
}

function limitControlFrames(session: ServerHttp2Session, socket: Socket): void {
  let since = 0
  let count = 0
  const onFrame = () => {
    const now = performance.now()
    if (now - since > 10_000) {
      since = now
      count = 0
    }
    if (++count > maxControlFrames) socket.destroy()
  }
  session.on('ping', onFrame).on('remoteSettings', onFrame)
}
