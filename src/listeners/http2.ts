import { constants, performServerHandshake, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { createHttp2Request } from './http2-request.ts'
import { createHttp2Response } from './http2-response.ts'
import { http1Limits, http2Limits, lingering, mostControlFrames } from './limits.ts'
import type { Handlers } from './listener.ts'

export type Http2 = Readonly<{
  /** Speaks HTTP/2 on a connection. */
  take: (socket: Socket) => void
  /** Takes no new streams, and closes each connection after its last one. */
  close: () => void
}>

/** HTTP/2 (RFC 9113) on connections of a listener. Extended CONNECT (RFC 8441) is not offered: WebSockets come by HTTP/1.1. */
export function createHttp2(onRequest: Handlers['onRequest']): Http2 {
  const sessions = new Set<ServerHttp2Session>()

  function take(socket: Socket): void {
    const session = performServerHandshake(socket, http2Limits)
    sessions.add(session)
    const stopTimer = limitSilence(session, socket)
    limitControlFrames(session, socket)
    session.on('error', () => {}) // faults end the session by themselves
    session.on('stream', (stream, headers, _flags, rawHeaders) => {
      const { request, check } = createHttp2Request(stream, headers, rawHeaders, socket)
      onRequest(request, createHttp2Response(stream, request.method === 'HEAD'), check)
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
      if (open === 0) timer = setTimeout(onSilence, session.destroyed ? lingering : http1Limits.keepAliveTimeout)
    })
  })
  return () => clearTimeout(timer)

  function onSilence(): void {
    if (session.destroyed) return void socket.destroy()
    timer = setTimeout(() => socket.destroy(), lingering)
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
    if (++count > mostControlFrames) socket.destroy()
  }
  session.on('ping', onFrame).on('remoteSettings', onFrame)
}
