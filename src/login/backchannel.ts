import { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { createResponse, type GatewayResponse } from '../http/response.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { SessionStore } from '../sessions/store.ts'
import { type FormLimits, readForm } from './form-body.ts'

export type BackchannelOptions = Readonly<{
  /** Checks signature, issuer, audience, time, type and event of a logout token. Rejects with GatewayError. */
  verify: (token: string) => Promise<Readonly<Record<string, unknown>>>
  sessions: Pick<Sessions, 'revokeAll'>
  store: Pick<SessionStore, 'wasUsed' | 'useOnce'>
  /** Called if the logout has ended sessions. @param subject of the token; undefined if it names only a session */
  onSessionsEnded: (count: number, subject: string | undefined, context: RequestContext) => void
}>

/**
 * The id (`jti`) of a logout token is remembered for this long. `verify` rejects tokens older than half of this time, so no
 * token can be replayed.
 */
const replayWindowMs = 600_000

/** A logout token has a few hundred bytes. */
const formLimits: FormLimits = { maxBytes: 32 * 1024, invalid: 'logout_invalid', tooLarge: 'logout_invalid' }

/**
 * `POST /elastauth/backchannel-logout`: the provider reports that a user has logged out (OpenID Connect Back-Channel Logout
 * 1.0). If no session is left, the logout has succeeded (section 2.7). Rejects with GatewayError logout_invalid,
 * sessions_unavailable, provider_unavailable.
 */
export function createBackchannelEndpoint({ verify, sessions, store, onSessionsEnded }: BackchannelOptions) {
  return async function handleBackchannelLogout(context: RequestContext): Promise<GatewayResponse> {
    const tokens = (await readForm(context.request, formLimits)).getAll('logout_token')
    if (tokens.length !== 1) throw invalid('the form must have exactly one logout_token')
    const { jti, sid, sub } = readClaims(await verifyToken(verify, tokens[0]!))
    if (await orUnavailable(store.wasUsed(jti))) throw invalid('the logout token was used before')
    const count = await (sid === undefined ? sessions.revokeAll('sub', sub!) : sessions.revokeAll('sid', sid))
    if (count > 0) onSessionsEnded(count, sub, context)
    // Only now, so that the provider can repeat a logout that failed.
    await orUnavailable(store.useOnce(jti, replayWindowMs))
    return createResponse(200, 'text/plain; charset=utf-8', '')
  }
}

/** At least one of `sid` and `sub` is present. */
function readClaims({ jti, sid, sub }: Readonly<Record<string, unknown>>) {
  if (typeof jti !== 'string' || jti === '') throw invalid('the logout token has no jti')
  if (typeof sid !== 'string' && typeof sub !== 'string') throw invalid('the logout token has neither sid nor sub')
  return { jti, sid: typeof sid === 'string' ? sid : undefined, sub: typeof sub === 'string' ? sub : undefined }
}

async function verifyToken(verify: BackchannelOptions['verify'], token: string) {
  try {
    return await verify(token)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'provider_unavailable') throw error
    throw invalid(error instanceof GatewayError ? error.detail : String(error))
  }
}

async function orUnavailable(isUsed: Promise<boolean>): Promise<boolean> {
  try {
    return await isUsed
  } catch (cause) {
    throw new GatewayError('sessions_unavailable', 'cannot check whether the logout token was used before', { cause })
  }
}

function invalid(detail: string): GatewayError {
  return new GatewayError('logout_invalid', detail)
}
