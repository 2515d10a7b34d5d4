import type { IncomingMessage } from 'node:http'
import { requestAsReceived } from '../../src/auth/original-request.ts'
import { RequestContext, type RequestReader } from '../../src/http/request-context.ts'

/** Reads requests of trusted peers that are not sub-requests. */
export const trustingReader: RequestReader = {
  isTrusted: () => true,
  explainDistrust: () => 'from an untrusted peer',
  originalOf: requestAsReceived,
  clientAddressOf: ({ socket }) => socket.remoteAddress,
}

/** The context of a request of which a test needs only these parts, by default from a trusted peer. */
export function contextOf(request: Partial<IncomingMessage> = {}, isTrusted = true): RequestContext {
  return new RequestContext(request as IncomingMessage, { ...trustingReader, isTrusted: () => isTrusted }, 'id-7', 0)
}
