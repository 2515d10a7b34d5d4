import type { IncomingMessage } from 'node:http'
import type { OriginalRequest } from '../auth/original-request.ts'

/** A request that a person made: in auth-only mode the one that a sub-request asks about. */
export type LoginRequest = Omit<OriginalRequest, 'host'> &
  Readonly<{
    request: IncomingMessage
    /** Whether the answer goes through a proxy that takes any 2xx for a yes. */
    isSubRequest: boolean
  }>
