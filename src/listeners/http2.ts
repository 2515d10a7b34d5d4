import { constants, performServerHandshake, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { createHttp2Request } from './http2-request.ts'
import { createHttp2Response } from './http2-response.ts'
import { http1Limits, http2Limits, mostControlFrames } from './limits.ts'
import type { Handlers } from './listener.ts'

export type Http2 = Readonly<{
  /** Speaks HTTP/2 on a connection. */
  take: (socket: Socket) => void
  /** Takes no new streams, and closes each connection after its last one. */
  close: () => void
}>

const controlInterval = 10_000

/** HTTP/2 (RFC 9113) on connections of a listener. Extended CONNECT (RFC 8441) is not offered: WebSockets come by HTTP/1.1. */
export function createHttp2(onRequest: Handlers['onRequest']): Http2 {
  const sessions = new Set<ServerHttp2Session>()

  function take(socket: Socket): void {
    const session = performServerHandshake(socket, http2Limits)
    sessions.add(session)
    session.on('error', () => {}) // faults end the session by themselves
    const stopLimits = limitSilence(session)
    limitControlFrames(session)
    session.on('stream', (stream, headers, _flags, rawHeaders) => {
      const { request, check } = createHttp2Request(stream, headers, rawHeaders, socket)
      onRequest(request, createHttp2Response(stream, request.method === 'HEAD'), check)
    })
    session.once('close', () => {
      stopLimits()
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

/** Closes a connection that has no stream for too long. PING keeps none: Node's own timer would count it as life. */
function limitSilence(session: ServerHttp2Session): () => void {
  let open = 0
  let patience: number = http1Limits.headersTimeout
  let timer = setTimeout(onSilence, patience)
  session.on('stream', (stream) => {
    open++
    patience = http1Limits.keepAliveTimeout
    stream.once('close', () => {
      if (--open > 0) return
      clearTimeout(timer)
      if (!session.destroyed) timer = setTimeout(onSilence, patience)
    })
  })
  return () => clearTimeout(timer)

  function onSilence(): void {
    if (open === 0) session.destroy(undefined, constants.NGHTTP2_NO_ERROR)
  }
}

function limitControlFrames(session: ServerHttp2Session): void {
  let since = 0
  let count = 0
  const onFrame = () => {
    const now = performance.now()
    if (now - since > controlInterval) {
      since = now
      count = 0
    }
    if (++count > mostControlFrames) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }
  session.on('ping', onFrame).on('remoteSettings', onFrame)
}
