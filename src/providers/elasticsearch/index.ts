import { GatewayError } from '../../http/errors.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { Provider } from '../provider.ts'
import { createVerifiedCredentials } from '../verified-credentials.ts'
import { acceptLogin, type ClientLogin, type LoginRules, rejectReservedName } from './accept-login.ts'
import { basicUsername, findCredential, invalidCredential, kindOf } from './client-credential.ts'

export type ElasticsearchProviderOptions = LoginRules &
  Readonly<{
    acceptsBasic: boolean
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
  const { acceptsBasic, ttlMs, requiresTrustedPeer, logIn, monotonicNow } = options
  const verifyOnce = createVerifiedCredentials({ verify, ttlMs, maxConcurrent, maxQueued, monotonicNow })

  async function verify(authorization: string) {
    const kind = kindOf(authorization)!
    if (kind === 'basic') rejectReservedName(basicUsername(authorization), options)
    const login = await logIn(authorization)
    if (login === undefined) throw invalidCredential('Elasticsearch does not accept it')
    return acceptLogin(login, kind, options)
  }

  return function identify(context) {
    const authorization = findCredential(context.request, acceptsBasic)
    if (authorization === undefined) throw missing
    if (requiresTrustedPeer && !context.isTrusted) throw untrusted(context)
    return verifyOnce(authorization)
  }
}

function untrusted(context: RequestContext): GatewayError {
  const detail = `a credential of Elasticsearch ${context.explainDistrust()} (in auth-only mode, accepted from the proxy only)`
  return new GatewayError('peer_untrusted', detail)
}
