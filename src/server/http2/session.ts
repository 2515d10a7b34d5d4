import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { ConnectionBudget } from '../connection-limit.ts'
import {
  authenticatedLimits,
  authenticatedShare,
  controlFrameWindowMs,
  http1Limits,
  http2Limits,
  http2Weight,
  idleBeforeLoweringMs,
  lingerTimeoutMs,
  maxControlFrames,
  unauthenticatedLimits,
} from '../listen/limits.ts'
import type { ListenerHandlers } from '../listen/listener.ts'
import { createHttp2Request, headerListSize } from './request.ts'
import { createHttp2Response } from './response.ts'

export type Http2Protocol = Readonly<{
  /** Starts an HTTP/2 session on a connection. */
  accept: (socket: Socket) => void
  /** Accepts no new streams, and closes each connection after its last stream. */
  close: () => void
}>

/**
 * HTTP/2 (RFC 9113) on a listener's connections. Extended CONNECT (RFC 8441) is not offered, so WebSockets use
 * HTTP/1.1.
 */
export function createHttp2Protocol(
  onRequest: ListenerHandlers['onRequest'],
  setWeight: ConnectionBudget['setWeight'],
): Http2Protocol {
  const sessions = new Set<ServerHttp2Session>()

  function accept(socket: Socket): void {
    if (!setWeight(socket, http2Weight.unauthenticated)) return void socket.destroy()
    const session = performServerHandshake(socket, http2Limits)
    sessions.add(session)
    const { acceptStream, onAuthenticated } = limitStreams(session, (state) =>
      setWeight(socket, http2Weight[state], state === 'authenticated' ? authenticatedShare : 1),
    )
    const stopTimer = limitIdleTime(session, socket)
    limitControlFrames(session, socket)
    session.on('error', () => {}) // Node ends a session that has an error
    session.on('stream', (stream, headers, _flags, rawHeaders) => {
      if (!acceptStream(stream, rawHeaders)) return
      const { request, fault } = createHttp2Request(stream, headers, rawHeaders, socket)
      onRequest(request, createHttp2Response(stream, request.method === 'HEAD'), fault, onAuthenticated)
    })
    socket.once('close', () => {
      stopTimer()
      sessions.delete(session)
    })
  }

  return Object.freeze({
    accept,
    close() {
      for (const session of sessions) session.close()
    },
  })
}

/**
 * Applies `unauthenticatedLimits` to a connection until it has authenticated a user and acknowledged those limits. Then
 * it gets `authenticatedLimits`, which a browser with Kibana needs, if there is room. After `idleBeforeLoweringMs`
 * without a stream, the limits are lowered again to make room for other connections; the next authenticated request
 * raises them.
 * @param reserveWeight sets the weight of the connection, and returns whether there is room
 */
function limitStreams(session: ServerHttp2Session, reserveWeight: (state: keyof typeof http2Weight) => boolean) {
  let heldBytes = 0
  let openStreams = 0
  let limits: typeof unauthenticatedLimits | typeof authenticatedLimits = unauthenticatedLimits
  let isAcknowledged = false
  let isAuthenticated = false
  /** The low limits that have been sent again, and not been acknowledged yet. */
  let lowering: object | undefined
  let idleTimer: NodeJS.Timeout | undefined
  session.once('localSettings', () => {
    isAcknowledged = true
    raiseLimits()
  })
  session.once('close', () => clearTimeout(idleTimer))

  function raiseLimits(): void {
    if (!isAuthenticated || !isAcknowledged || hasEnded()) return
    if (limits === authenticatedLimits && lowering === undefined) return
    if (limits === unauthenticatedLimits && !reserveWeight('authenticated')) {
      isAuthenticated = false // no room: the next request tries again
      return
    }
    limits = authenticatedLimits
    lowering = undefined
    session.settings({ maxConcurrentStreams: authenticatedLimits.maxConcurrentStreams })
    startIdleTimer() // the last stream may have closed during authentication, or before the acknowledgement
  }

  function startIdleTimer(): void {
    if (openStreams > 0 || limits === unauthenticatedLimits) return
    clearTimeout(idleTimer)
    idleTimer = setTimeout(lowerLimits, idleBeforeLoweringMs).unref()
  }

  function lowerLimits(): void {
    if (limits === unauthenticatedLimits || lowering !== undefined || hasEnded()) return
    const current = {}
    lowering = current
    isAuthenticated = false
    // The weight is lowered only after the acknowledgement: until then the client may open as many streams as before. That
    // of earlier settings does not count, because the limits have been raised since.
    session.settings({ maxConcurrentStreams: unauthenticatedLimits.maxConcurrentStreams }, () => {
      if (lowering !== current) return
      lowering = undefined
      limits = unauthenticatedLimits
      reserveWeight('unauthenticated')
    })
  }

  /**
   * Whether the client has disconnected, which is possible during authentication. Node marks a session that the client
   * resets as destroyed, not as closed.
   */
  function hasEnded(): boolean {
    return session.closed || session.destroyed
  }

  return Object.freeze({
    /**
     * @returns false if the stream was rejected with REFUSED_STREAM, which permits the client to retry (RFC 9113,
     * section 8.7)
     */
    acceptStream(stream: ServerHttp2Stream, received: readonly string[]): boolean {
      const bytes = headerListSize(received)
      if (heldBytes > 0 && heldBytes + bytes > limits.maxHeldBytes) {
        stream.on('error', () => {}).close(constants.NGHTTP2_REFUSED_STREAM)
        return false
      }
      heldBytes += bytes
      if (openStreams++ === 0) clearTimeout(idleTimer)
      stream.once('close', () => {
        heldBytes -= bytes
        openStreams--
        startIdleTimer()
      })
      return true
    },
    onAuthenticated() {
      if (isAuthenticated) return
      isAuthenticated = true
      raiseLimits()
    },
  })
}

/**
 * Closes a connection that has had no stream for too long. Unlike with Node's own timeout, PING frames do not keep the
 * connection open.
 */
function limitIdleTime(session: ServerHttp2Session, socket: Socket): () => void {
  let openStreams = 0
  let timer = setTimeout(onIdle, http1Limits.headersTimeout)
  session.on('stream', (stream) => {
    openStreams++
    clearTimeout(timer)
    stream.once('close', () => {
      openStreams--
      // `session.destroy` alone would wait until the client has read everything.
      if (openStreams === 0)
        timer = setTimeout(onIdle, session.destroyed ? lingerTimeoutMs : http1Limits.keepAliveTimeout)
    })
  })
  return () => clearTimeout(timer)

  function onIdle(): void {
    if (session.destroyed) return void socket.destroy()
    timer = setTimeout(() => socket.destroy(), lingerTimeoutMs)
    session.destroy(undefined, constants.NGHTTP2_NO_ERROR)
  }
}

/**
 * Destroys a connection that sends too many PING or SETTINGS frames, because each of them makes elastauth send an
 * acknowledgement.
 */
function limitControlFrames(session: ServerHttp2Session, socket: Socket): void {
  let windowStart = 0
  let count = 0
  const onFrame = () => {
    const now = performance.now()
    if (now - windowStart > controlFrameWindowMs) {
      windowStart = now
      count = 0
    }
    if (++count > maxControlFrames) socket.destroy()
  }
  session.on('ping', onFrame).on('remoteSettings', onFrame)
}
