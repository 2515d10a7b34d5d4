import { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { createResponse, type GatewayResponse } from '../http/response.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { SessionStore } from '../sessions/store.ts'
import { readForm } from './form-body.ts'

export type BackchannelOptions = Readonly<{
  /** Checks signature, issuer, audience, time, type and event of a logout token. Rejects with GatewayError. */
  verify: (token: string) => Promise<Readonly<Record<string, unknown>>>
  sessions: Pick<Sessions, 'revokeAll'>
  useOnce: SessionStore['useOnce']
}>

/**
 * The id (`jti`) of a logout token is remembered for this long. `verify` rejects tokens older than half of this time, so no
 * token can be replayed.
 */
const replayWindowMs = 600_000

/**
 * `POST /elastauth/backchannel-logout`: the provider reports that a user has logged out (OpenID Connect Back-Channel Logout
 * 1.0). Rejects with GatewayError logout_invalid, sessions_unavailable, provider_unavailable.
 */
export function createBackchannelEndpoint({ verify, sessions, useOnce }: BackchannelOptions) {
  return async function handleBackchannelLogout({ request }: RequestContext): Promise<GatewayResponse> {
    const tokens = (await readForm(request)).getAll('logout_token')
    if (tokens.length !== 1) throw invalid('the form must have exactly one logout_token')
    const { jti, sid, sub } = await verifyToken(verify, tokens[0]!)
    if (typeof jti !== 'string' || jti === '') throw invalid('the logout token has no jti')
    const hasSid = typeof sid === 'string'
    if (!hasSid && typeof sub !== 'string') throw invalid('the logout token has neither sid nor sub')
    await rejectReplay(useOnce, jti)
    const revoked = hasSid ? await sessions.revokeAll('sid', sid) : await sessions.revokeAll('sub', sub as string)
    if (revoked === 0) throw invalid('no session matches the logout token')
    return createResponse(200, 'text/plain; charset=utf-8', '')
  }
}

async function verifyToken(verify: BackchannelOptions['verify'], token: string) {
  try {
    return await verify(token)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'provider_unavailable') throw error
    throw invalid(error instanceof GatewayError ? error.detail : String(error))
  }
}

async function rejectReplay(useOnce: SessionStore['useOnce'], jti: string): Promise<void> {
  let isFirstUse: boolean
  try {
    isFirstUse = await useOnce(jti, replayWindowMs)
  } catch (cause) {
    throw new GatewayError('sessions_unavailable', 'cannot check whether the logout token was used before', { cause })
  }
  if (!isFirstUse) throw invalid('the logout token was used before')
}

function invalid(detail: string): GatewayError {
  return new GatewayError('logout_invalid', detail)
}
