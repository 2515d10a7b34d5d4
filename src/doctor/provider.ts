import type { Config } from '../../config/schema.ts'
import { oidcTokensOptions, requestedScopes, scopesOptions } from '../app/options/oidc.ts'
import { type Check, type Finding, failure, failureOf, ok, warning } from './check.ts'
import { checkClock, checkExpiry, clockLead, probe } from './probe.ts'

/** The check of the OpenID provider: metadata, keys, and with sign-in the client and its scopes. */
export function providerCheck(config: Config): Check {
  return { id: 'provider', title: 'OpenID provider', run: (signal) => checkProvider(config, signal) }
}

/** A third of the difference from which on tokens are rejected (providers/oidc/verify-token.ts). */
const clockToleranceMs = 10_000

async function checkProvider(config: Config, signal: AbortSignal): Promise<Finding[]> {
  const { createOidcTokens } = await import('../providers/oidc/tokens.ts') // loaded only if configured
  const options = oidcTokensOptions(config)
  let leadMs = 0
  const { issuer, preload, checkClient, close } = createOidcTokens({
    ...options,
    now: Date.now,
    monotonicNow: () => performance.now(),
    reportProblem: () => {},
    traceFetch: (fetch) => async (url, init) => {
      const sentAt = Date.now()
      const response = await fetch(url, init)
      leadMs ||= clockLead(Date.parse(response.headers.get('date') ?? ''), sentAt, Date.now())
      return response
    },
  })
  const { origin } = new URL(options.issuer)
  try {
    await preload()
    const scopes = config.oidc.login ? await checkSignIn(config, issuer, checkClient) : []
    const tls = await checkCertificate(new URL(options.issuer), options, signal)
    return [
      ok(`${origin} offers its metadata and keys`),
      ...scopes,
      ...tls,
      ...checkClock(origin, leadMs, clockToleranceMs),
    ]
  } catch (error) {
    const found = failureOf(error)
    if (/UNABLE_TO|SELF_SIGNED/.test(found.detail)) return [failure(found.detail, 'put its CA into oidc.ca_cert')]
    return [found.fix === undefined ? failure(found.detail, 'start it, or correct oidc.issuer') : found]
  } finally {
    await close()
  }
}

type Tokens = ReturnType<typeof import('../providers/oidc/tokens.ts').createOidcTokens>

async function checkSignIn(
  config: Config,
  issuer: Tokens['issuer'],
  checkClient: Tokens['checkClient'],
): Promise<Finding[]> {
  const { scopes_supported: supported } = await issuer.metadata()
  const scopes = requestedScopes(scopesOptions(config), supported)
  const { authorization_parameters: extraParameters, redirect_url } = config.oidc
  await checkClient({ scopes, extraParameters, redirectUri: redirect_url ?? undefined })
  // Not a fault: a provider need not list all scopes (OpenID Connect Discovery 1.0, section 3).
  const unlisted = supported === undefined ? [] : scopes.filter((scope) => !supported.includes(scope))
  if (unlisted.length === 0) return []
  const list = unlisted.join(', ')
  return [warning(`the OpenID provider does not list the scope ${list}`, 'if it rejects sign-ins, correct oidc.scopes')]
}

/** The calls above have verified the certificate, so only its end is of interest. Another HTTP proxy may be between. */
async function checkCertificate(
  url: URL,
  { ca, httpProxy }: Readonly<{ ca?: string | undefined; httpProxy?: string | undefined }>,
  signal: AbortSignal,
): Promise<Finding[]> {
  if (url.protocol !== 'https:' || httpProxy !== undefined) return []
  const response = await probe(url, { signal, connection: ca === undefined ? {} : { ca } }).catch(() => undefined)
  return checkExpiry(url.origin, response?.expiresAt)
}
