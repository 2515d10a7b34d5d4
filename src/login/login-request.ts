import type { OriginalRequest, RequestContext } from '../http/request-context.ts'

/** A user's request. In auth-only mode, the original request that the sub-request describes. */
export type LoginRequest = Omit<OriginalRequest, 'host'> &
  Readonly<{
    context: RequestContext
    /** Whether the response goes to a proxy, which allows the original request if the status is 2xx. */
    isSubRequest: boolean
  }>
