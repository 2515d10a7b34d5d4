import type { IncomingMessage } from 'node:http'
import { createConcurrencyLimit } from '../../async/concurrency-limit.ts'
import type { MaybePromise } from '../../async/maybe-promise.ts'
import type { Identity, RequestIdentity } from '../../auth/identity.ts'
import { asGatewayError } from '../../http/errors.ts'
import { type CheckClientOptions, checkClient } from './check-client.ts'
import { createCheckToken, type TokenValidation } from './check-token.ts'
import { createToIdentity, type ToIdentity, type ToIdentityOptions } from './claims.ts'
import { type CombineClaims, createCombineClaims } from './combine-claims.ts'
import { createFindToken, findCookie } from './find-token.ts'
import { tokenCookies } from './index.ts'
import { createIntrospect } from './introspection.ts'
import { createIssuer, type Endpoint, type Issuer, type IssuerOptions } from './issuer.ts'
import { createKeySet } from './key-set.ts'
import type { IsOwnNonce } from './own-id-token.ts'
import { queueFullError } from './provider-error.ts'
import {
  createProviderFetch,
  type ProviderFetch,
  type ProviderFetchOptions,
  type ProviderResult,
} from './provider-fetch.ts'
import { operationOf, type ProviderOperation } from './provider-operation.ts'
import { createTokenCache, type IdentifyToken } from './token-cache.ts'
import { createFetchUserinfo } from './userinfo.ts'
import { createVerifyLogoutToken, type VerifyLogoutToken } from './verify-logout-token.ts'
import { createVerifyToken } from './verify-token.ts'

export type OidcTokensOptions = Omit<ProviderFetchOptions, 'report'> &
  Pick<IssuerOptions, 'issuer' | 'clientId' | 'client' | 'endpoints' | 'now' | 'monotonicNow' | 'reportProblem'> &
  Omit<ToIdentityOptions, 'provider'> &
  Readonly<{
    /** Undefined if there are no logins at elastauth. */
    isOwnNonce?: IsOwnNonce | undefined
    /** Whether users sign in through elastauth, for which more of the provider's endpoints are required. */
    isLoginEnabled: boolean
    validation: TokenValidation
    validationTtlMs: number
    /** Accepted audiences in addition to the client ID. */
    audiences: readonly string[]
    algorithms: readonly string[]
    tokenHeader?: string | undefined
    /** Whether another provider accepts the tokens of Elasticsearch's service accounts. */
    leavesServiceTokens?: boolean
    /** Undefined if metrics are disabled. @param seconds the duration of the call */
    countCall?: ((operation: ProviderOperation, result: ProviderResult, seconds: number) => void) | undefined
  }>

type FindIdentity = (request: IncomingMessage) => MaybePromise<Identity | undefined>

export type OidcTokens = Readonly<{
  issuer: Issuer
  toIdentity: ToIdentity
  combineClaims: CombineClaims
  verifyLogoutToken: VerifyLogoutToken
  /**
   * Returns the identity of the token in the request's headers, if there is one. Throws, or rejects with, GatewayError
   * if the token is invalid.
   */
  findToken: (request: IncomingMessage) => MaybePromise<RequestIdentity | undefined>
  /**
   * Returns the identity of the token in the cookie `access_token` or `id_token`. An invalid token is ignored, because
   * the cookie may belong to another application.
   */
  findCookieToken: FindIdentity
  /**
   * The readiness check. Rejects while there is no metadata; resolves to `degraded` while cached metadata or keys
   * cannot be refreshed.
   */
  checkProvider: () => Promise<unknown>
  /** Fetches metadata and keys before the first request needs them. Rejects with GatewayError provider_unavailable. */
  preload: () => Promise<unknown>
  /** Tries the client's credentials and scopes at the provider. Only for `config check --connect`. */
  checkClient: (login: Omit<CheckClientOptions, 'configuration' | 'fetch'>) => Promise<void>
  prepareRenewal: ProviderFetch['prepareRenewal']
  close: () => Promise<void>
}>

/**
 * The maximum number of concurrent calls to userinfo and introspection. It leaves connections to the provider
 * (provider-fetch.ts) free for logins.
 */
const maxConcurrentChecks = 8
const maxQueuedChecks = 120

const [firstCookie, secondCookie] = tokenCookies

/**
 * Creates the OpenID provider's client and the validation of its tokens. Both are kept across reloads of the
 * configuration, with the cached tokens.
 */
export function createOidcTokens(options: OidcTokensOptions): OidcTokens {
  const { validation, algorithms, now, monotonicNow, reportProblem, countCall } = options
  const { fetch, prepareRenewal, close } = createProviderFetch({
    ...options,
    report:
      countCall && ((url, result, seconds) => countCall(operationOf(url, issuer.knownMetadata()), result, seconds)),
  })
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
  const limitConcurrency = createConcurrencyLimit({
    maxConcurrent: maxConcurrentChecks,
    maxQueued: maxQueuedChecks,
    onQueueFull: () => queueFullError(maxQueuedChecks),
  })
  const fetchUserinfo = createFetchUserinfo(issuer)
  const introspect = createIntrospect({ ...issuer, audiences, isOwnNonce: options.isOwnNonce, now })
  const checkToken = createCheckToken({
    validation,
    verifyToken: createVerifyToken({ ...options, issuer: issuerName, audiences, getKey: keySet.getKey }),
    fetchUserinfo: (token, subject) => limitConcurrency(() => fetchUserinfo(token, subject)),
    introspect: (token) => limitConcurrency(() => introspect(token)),
    combineClaims,
    isOwnNonce: options.isOwnNonce,
    hasUserinfoEndpoint: async () => (await issuer.metadata()).userinfo_endpoint !== undefined,
    requiredClaims: [options.claimMappings.username, options.claimMappings.groups],
    ttlMs: options.validationTtlMs,
    monotonicNow,
  })
  const identifyToken = createTokenCache({ checkToken, toIdentity, now, monotonicNow })
  const findBearerToken = createFindToken(options.tokenHeader, options.leavesServiceTokens)

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
    findToken(request: IncomingMessage) {
      const found = findBearerToken(request)
      if (found === undefined) return undefined
      const { token, isAmbient } = found
      const identity = identifyToken(token)
      return identity instanceof Promise
        ? identity.then((one) => ({ identity: one, isAmbient }))
        : { identity, isAmbient }
    },
    async findCookieToken(request: IncomingMessage) {
      return (
        (await identifyCookie(request, firstCookie, identifyToken)) ??
        (await identifyCookie(request, secondCookie, identifyToken))
      )
    },
    async checkProvider() {
      await issuer.configuration()
      return issuer.isFailing() || keySet.isFailing() ? 'degraded' : undefined
    },
    async preload() {
      await issuer.configuration()
      if (requiredEndpoints.includes('jwks_uri')) await keySet.load()
    },
    checkClient: async (login) => checkClient({ ...login, configuration: await issuer.configuration(), fetch }),
    prepareRenewal,
    close,
  })
}

async function identifyCookie(
  request: IncomingMessage,
  name: string,
  identifyToken: IdentifyToken,
): Promise<Identity | undefined> {
  const token = findCookie(request, name)
  if (token === undefined) return undefined
  try {
    return await identifyToken(token)
  } catch (error) {
    const { code } = asGatewayError(error)
    if (code === 'token_invalid' || code === 'token_expired') return undefined
    throw error
  }
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
