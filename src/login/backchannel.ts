import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../http/errors.ts'
import { createResponse, type GatewayResponse } from '../http/response.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { SessionStore } from '../sessions/store.ts'
import { readForm } from './form-body.ts'

export type BackchannelOptions = Readonly<{
  /** Signature, issuer, audience, time, type and event of a logout token. Rejects with GatewayError. */
  verify: (token: string) => Promise<Readonly<Record<string, unknown>>>
  sessions: Pick<Sessions, 'endAll'>
  once: SessionStore['once']
}>

/** How long a token's id is remembered. `verify` rejects tokens that were issued more than half of that time ago. */
const replayWindowMs = 600_000

/**
 * `POST /elastauth/backchannel-logout`: the provider itself says that somebody has logged out (OpenID Connect Back-Channel
 * Logout 1.0). Rejects with GatewayError logout_invalid, sessions_unavailable, provider_unavailable.
 */
export function createBackchannelEndpoint({ verify, sessions, once }: BackchannelOptions) {
  return async function backchannelPage(request: IncomingMessage): Promise<GatewayResponse> {
    const tokens = (await readForm(request)).getAll('logout_token')
    if (tokens.length !== 1) throw invalid('there is not exactly one logout_token')
    const { jti, sid, sub } = await verifyToken(tokens[0]!)
    if (typeof jti !== 'string' || jti === '') throw invalid('the logout token has no jti')
    const hasSid = typeof sid === 'string'
    if (!hasSid && typeof sub !== 'string') throw invalid('the logout token names neither sid nor sub')
    if (!(await firstTime(jti, replayWindowMs))) throw invalid('the logout token was used already')
    const ended = hasSid ? await sessions.endAll('sid', sid) : await sessions.endAll('sub', sub as string)
    if (ended === 0) throw invalid('the logout token is about no session of ours')
    return createResponse(200, 'text/plain; charset=utf-8', '')
  }

  async function verifyToken(token: string) {
    try {
      return await verify(token)
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'provider_unavailable') throw error
      throw invalid(error instanceof GatewayError ? error.detail : String(error))
    }
  }

  async function firstTime(jti: string, life: number): Promise<boolean> {
    try {
      return await once(jti, life)
    } catch (cause) {
      throw new GatewayError('sessions_unavailable', 'whether a logout token was used already cannot be known', {
        cause,
      })
    }
  }
}

function invalid(detail: string): GatewayError {
  return new GatewayError('logout_invalid', detail)
}
