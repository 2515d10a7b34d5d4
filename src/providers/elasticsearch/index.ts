import { createConcurrencyLimit } from '../../async/concurrency-limit.ts'
import type { RequestIdentity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { Provider } from '../provider.ts'
import { createVerifiedCredentials } from '../verified-credentials.ts'
import { acceptLogin, type ClientLogin, type LoginRules } from './accept-login.ts'
import { type CredentialKind, findCredential, invalidCredential, kindOf } from './client-credential.ts'
import { createPasswordProvider, type PasswordOptions } from './password.ts'

export type ElasticsearchProviderOptions = LoginRules &
  Readonly<{
    /** The limits of guesses at passwords; undefined if Basic is not a credential for Elasticsearch. */
    attempts: PasswordOptions['attempts'] | undefined
    ttlMs: number
    /** Whether only trusted peers may use credentials. */
    requiresTrustedPeer: boolean
    /**
     * Signs in to Elasticsearch with this value of `Authorization`. Resolves to undefined if Elasticsearch rejects it; rejects
     * with GatewayError elasticsearch_unavailable.
     */
    logIn: (authorization: string) => Promise<ClientLogin | undefined>
    /** Milliseconds of a monotonic clock. */
    monotonicNow: () => number
  }>

/** Half of the connections to a host (es/connection.ts) stay free for elastauth's own calls: two times 4 of 16. */
const maxConcurrent = 4
const maxQueued = 100

// Created once and reused: in a chain of providers, many requests throw this error.
const missing = new GatewayError('identity_missing', 'missing authentication headers (no credential of Elasticsearch)')

/**
 * Accepts the credentials that clients themselves have at Elasticsearch: API keys, tokens of service accounts and, if
 * configured, names with passwords. Elasticsearch verifies each; requests are then forwarded with it, unchanged.
 */
export function createElasticsearchProvider(options: ElasticsearchProviderOptions): Provider {
  const { attempts, ttlMs, requiresTrustedPeer, logIn, monotonicNow } = options
  const [limitKnown, limitUnknown] = [createLimit(), createLimit()]

  /** @param isKnown whether the client may use the places that are kept free for known ones */
  async function verify(authorization: string, kind: CredentialKind, isKnown: boolean): Promise<RequestIdentity> {
    const limit = isKnown ? limitKnown : limitUnknown
    const login = await limit(() => logIn(authorization))
    if (login === undefined) throw invalidCredential('Elasticsearch does not accept it')
    return acceptLogin(login, kind, options)
  }

  const verifyKeyOnce = createVerifiedCredentials({
    verify: (authorization, isKnown) => verify(authorization, kindOf(authorization)!, isKnown),
    ttlMs,
    maxConcurrent: maxConcurrent + maxQueued,
    maxQueued: 0,
    monotonicNow,
  })
  const identifyByPassword =
    attempts &&
    createPasswordProvider({
      ...options,
      attempts,
      verify: (authorization, isKnown) => verify(authorization, 'basic', isKnown),
    })

  return function identify(context) {
    const authorization = findCredential(context.request, attempts !== undefined)
    if (authorization === undefined) throw missing
    if (requiresTrustedPeer && !context.isTrusted) throw untrusted(context)
    if (identifyByPassword !== undefined && kindOf(authorization) === 'basic')
      return identifyByPassword(authorization, context)
    return verifyKeyOnce(authorization)
  }
}

function createLimit() {
  const onQueueFull = () => new GatewayError('overloaded', `${maxQueued} other clients wait for Elasticsearch`)
  return createConcurrencyLimit({ maxConcurrent, maxQueued, onQueueFull })
}

function untrusted(context: RequestContext): GatewayError {
  const detail = `a credential of Elasticsearch ${context.explainDistrust()} (in auth-only mode, accepted from the proxy only)`
  return new GatewayError('peer_untrusted', detail)
}
