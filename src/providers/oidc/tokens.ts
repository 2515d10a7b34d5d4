import type { IncomingMessage } from 'node:http'
import { createConcurrencyLimit } from '../../async/concurrency-limit.ts'
import { chain, type MaybePromise } from '../../async/maybe-promise.ts'
import type { Identity } from '../../auth/identity.ts'
import { asGatewayError } from '../../http/errors.ts'
import { createCheckToken, type TokenValidation } from './check-token.ts'
import { createToIdentity, type ToIdentity, type ToIdentityOptions } from './claims.ts'
import { type CombineClaims, createCombineClaims } from './combine-claims.ts'
import { createFindToken, findCookie } from './find-token.ts'
import { tokenCookies } from './index.ts'
import { createIntrospect } from './introspection.ts'
import { createIssuer, type Endpoint, type Issuer, type IssuerOptions } from './issuer.ts'
import { createKeySet } from './key-set.ts'
import { createProviderFetch, type ProviderFetchOptions } from './provider-fetch.ts'
import { createTokenCache } from './token-cache.ts'
import { createFetchUserinfo } from './userinfo.ts'
import { createVerifyLogoutToken, type VerifyLogoutToken } from './verify-logout-token.ts'
import { createVerifyToken, type VerifyTokenOptions } from './verify-token.ts'

export type OidcTokensOptions = ProviderFetchOptions &
  Pick<IssuerOptions, 'issuer' | 'clientId' | 'client' | 'endpoints' | 'now' | 'monotonicNow' | 'reportProblem'> &
  Omit<ToIdentityOptions, 'provider'> &
  Pick<VerifyTokenOptions, 'isOwnNonce'> &
  Readonly<{
    /** Whether people log in with us: that takes more of the provider’s endpoints. */
    isLoginEnabled: boolean
    validation: TokenValidation
    validationTtlMs: number
    /** For whom tokens may be meant, besides the client. */
    audiences: readonly string[]
    algorithms: readonly string[]
    tokenHeader?: string | undefined
  }>

type FindIdentity = (request: Pick<IncomingMessage, 'rawHeaders'>) => MaybePromise<Identity | undefined>

export type OidcTokens = Readonly<{
  issuer: Issuer
  toIdentity: ToIdentity
  combineClaims: CombineClaims
  verifyLogoutToken: VerifyLogoutToken
  /** Whose token the request’s headers carry, if any. Throws, or rejects with, GatewayError when it is not a good one. */
  findToken: FindIdentity
  /** The same for cookies `access_token` and `id_token`; one that is not good is as none: perhaps it is another’s cookie. */
  findCookieToken: FindIdentity
  /** Rejects while the provider has told us nothing to work with; resolves to `degraded` while we live on what it told. */
  checkProvider: () => Promise<unknown>
  /** Asks the provider before the first request needs it. Rejects with GatewayError provider_unavailable. */
  preload: () => Promise<unknown>
  replaceCa: (ca: string | undefined) => void
  close: () => Promise<void>
}>

/** Questions about tokens at a time, fewer than there are connections, and those that wait. */
const asking = 8
const waitingToAsk = 120

/** Everything about the provider and its tokens. Outlives reloads: what was verified stays so. */
export function createOidcTokens(options: OidcTokensOptions): OidcTokens {
  const { validation, algorithms, now, monotonicNow, reportProblem } = options
  const { fetch, replaceCa, close } = createProviderFetch(options)
  const requiredEndpoints = requiredEndpointsFor(options)
  const issuer = createIssuer({ ...options, requiredEndpoints, fetch })
  const keySet = createKeySet({
    jwksUri: async () => (await issuer.metadata()).jwks_uri!,
    fetch,
    monotonicNow,
    reportProblem,
  })
  const issuerName = async () => (await issuer.metadata()).issuer
  const audiences = [options.clientId, ...options.audiences]
  const toIdentity = createToIdentity({ ...options, provider: 'oidc' })
  const combineClaims = createCombineClaims(options.claimMappings)
  const inTurn = createConcurrencyLimit(asking, waitingToAsk)
  const askUserinfo = createFetchUserinfo(issuer)
  const introspect = createIntrospect({ ...issuer, audiences, now })
  const checkToken = createCheckToken({
    validation,
    verifyToken: createVerifyToken({ ...options, issuer: issuerName, audiences, getKey: keySet.getKey }),
    fetchUserinfo: (token, subject) => inTurn(() => askUserinfo(token, subject)),
    introspect: (token) => inTurn(() => introspect(token)),
    combineClaims,
    hasUserinfoEndpoint: async () => (await issuer.metadata()).userinfo_endpoint !== undefined,
    requiredClaims: [options.claimMappings.username, options.claimMappings.groups],
    ttlMs: options.validationTtlMs,
    monotonicNow,
  })
  const identifyToken = createTokenCache({ checkToken, toIdentity, now, monotonicNow })
  const findHeader = createFindToken(options.tokenHeader)

  const [first, second] = tokenCookies
  const findCookieToken: FindIdentity = (request) =>
    chain(tryCookie(request, first), (identity) => identity ?? tryCookie(request, second))

  function tryCookie(request: Pick<IncomingMessage, 'rawHeaders'>, name: string): MaybePromise<Identity | undefined> {
    const token = findCookie(request, name)
    if (token === undefined) return undefined
    try {
      const found = identifyToken(token)
      return found instanceof Promise ? found.catch(orNobody) : found
    } catch (error) {
      return orNobody(error)
    }
  }

  return Object.freeze({
    issuer,
    toIdentity,
    combineClaims,
    verifyLogoutToken: createVerifyLogoutToken({
      issuer: issuerName,
      clientId: options.clientId,
      algorithms,
      getKey: keySet.getKey,
      now,
    }),
    findToken(request: Pick<IncomingMessage, 'rawHeaders'>) {
      const token = findHeader(request)
      return token === undefined ? undefined : identifyToken(token)
    },
    findCookieToken,
    async checkProvider() {
      await issuer.configuration()
      return issuer.isFailing() || keySet.isFailing() ? 'degraded' : undefined
    },
    async preload() {
      await issuer.configuration()
      if (requiredEndpoints.includes('jwks_uri')) await keySet.load()
    },
    replaceCa,
    close,
  })
}

function orNobody(thrown: unknown): undefined {
  const error = asGatewayError(thrown)
  if (error.code === 'token_invalid' || error.code === 'token_expired') return undefined
  throw error
}

function requiredEndpointsFor({
  isLoginEnabled,
  validation,
}: Pick<OidcTokensOptions, 'isLoginEnabled' | 'validation'>): Endpoint[] {
  const forTokens: Readonly<Record<TokenValidation, Endpoint[]>> = {
    jwks: ['jwks_uri'],
    userinfo: ['userinfo_endpoint'],
    both: ['jwks_uri', 'userinfo_endpoint'],
    introspection: ['introspection_endpoint'],
  }
  const forLogin: Endpoint[] = isLoginEnabled ? ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] : []
  return [...new Set([...forTokens[validation], ...forLogin])]
}
