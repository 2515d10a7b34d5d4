import { GatewayError } from '../../http/errors.ts'
import { mediaTypeOf } from '../../http/media-type.ts'
import { asProviderError } from './provider-error.ts'

/**
 * Converts an error of discovery to GatewayError provider_unavailable, and says what to do about a wrong `oidc.issuer`.
 * @param issuer the value of `oidc.issuer`
 */
export function toDiscoveryError(thrown: unknown, issuer: string): GatewayError {
  const reason = mismatchOf(thrown, issuer) ?? unusableResponseOf(thrown, issuer)
  return reason === undefined
    ? asProviderError(thrown, 'discovery')
    : new GatewayError('provider_unavailable', `the identity provider (discovery): ${reason}`)
}

/** For a document that names another issuer (OpenID Connect Discovery 1.0, section 4.3). */
function mismatchOf(thrown: unknown, issuer: string): string | undefined {
  const { cause } = thrown as { cause?: { attribute?: unknown; body?: { issuer?: unknown } } }
  if (cause?.attribute !== 'issuer') return undefined
  const found = JSON.stringify(cause.body?.issuer).slice(0, 200)
  return `the issuer does not match: the provider calls itself ${found}, oidc.issuer is ${JSON.stringify(issuer)}; if this is the right provider, write issuer: ${found} below oidc`
}

/** For a response that is not a document. openid-client adds it to its error as the cause. */
function unusableResponseOf(thrown: unknown, issuer: string): string | undefined {
  const { cause } = thrown as { cause?: unknown }
  if (!(cause instanceof Response)) return undefined
  const { origin, pathname } = new URL(issuer)
  const url = `${origin}${pathname.replace(/\/$/, '')}/.well-known/openid-configuration`
  const type = mediaTypeOf(cause.headers.get('content-type') ?? 'none').slice(0, 100)
  const advice =
    cause.status >= 500
      ? "look into the provider's log"
      : 'check oidc.issuer: it has to be the URL of your realm or tenant, as the provider spells it'
  return `${url} responded with status ${cause.status} and content-type ${type} instead of its metadata; ${advice}`
}
