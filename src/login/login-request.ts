import type { IncomingMessage } from 'node:http'
import type { OriginalRequest } from '../auth/original-request.ts'

/** A person's request: in auth-only mode, the original request that a sub-request is about. */
export type LoginRequest = Omit<OriginalRequest, 'host'> &
  Readonly<{
    request: IncomingMessage
    /** Whether the response goes to a proxy that lets the original request pass on any 2xx. */
    isSubRequest: boolean
  }>
