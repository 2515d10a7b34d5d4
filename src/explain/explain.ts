import type { Config } from '../../config/schema.ts'
import { createRequestHandlers } from '../app/handlers.ts'
import { handlersOptions } from '../app/options/handlers.ts'
import { serverOptions } from '../app/options/server.ts'
import { readGroups, readManagedState } from '../auth/credentials/managed-user.ts'
import type { Identity } from '../auth/identity.ts'
import { createIsTrustedPeer, type Peer } from '../auth/trust/trust.ts'
import type { TrustOptions } from '../auth/trust/trusted-request.ts'
import type { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { endpointPath } from '../server/router.ts'
import { type Connection, exchange, type Response } from './exchange.ts'
import { type Explanation, type ForwardStep, NotExplainable, type ResponseStep, type TrustStep } from './explanation.ts'
import { createObserver, type Trace } from './observe.ts'
import { createExplainServices, type ServiceEvents } from './services.ts'
import { explainDenial, explainStoredUser } from './stored-user.ts'

export type ExplainedRequest = Readonly<{
  /** The bytes of the head, as a client sends them in HTTP/1.1. */
  head: Buffer
  /** The target in the head. */
  target: string
  /** The other end of the connection. */
  peer: Peer
  /** Decides about this identity, without a provider. */
  identity?: Identity | undefined
}>

export type Explainer = Readonly<{
  /** One at a time. Rejects with NotExplainable, and with GatewayError if Elasticsearch cannot be read. */
  explain: (request: ExplainedRequest) => Promise<Explanation>
  /** A user of `users`, or else of Elasticsearch with the groups that are stored there. Rejects as `explain`. */
  findUser: (username: string) => Promise<Identity>
  close: () => void
}>

/**
 * Explains requests with the request handlers of the server. Nothing is written to Elasticsearch, and nothing is forwarded.
 * @param connect whether Elasticsearch and the provider may be asked
 */
export async function createExplainer(config: Config, connect: boolean): Promise<Explainer> {
  const services = await createExplainServices(config, connect)
  const { storedUsers } = services
  const options = handlersOptions(config)
  const isTrustedPeer = createIsTrustedPeer(options.trust.trustedProxies)
  const { listeners } = serverOptions(config)

  async function explain({ head, target, peer, identity }: ExplainedRequest): Promise<Explanation> {
    const trace: Trace = { providers: [], identity: null, roles: null, csrf: null, unverified: undefined }
    const found: Found = { trust: null, request: null, elasticsearch: null, forward: null }
    const events: ServiceEvents = {
      onSubject: (subject) =>
        explainStoredUser(storedUsers, subject, (step) => {
          found.elasticsearch = step
        }),
      onDenied: (user) => {
        found.denied = user
      },
      onToken: (claims) => {
        trace.unverified = claims
      },
      onForward: (step) => {
        found.forward = step
      },
    }
    // New handlers, because they remember the roles of an identity, and these would not be observed again.
    const observer = createObserver(trace, options.roles, identity)
    const handlers = createRequestHandlers(options, services.forRequest(peer, events, observer), isTrustedPeer)
    const listener = listeners.find(({ serves }) => serves === scopeOf(target)) ?? listeners[0]!
    const response = await exchange(head, { peer, listener }, handlers, (context, outcome) => {
      found.request = describeRequest(context)
      if (identity === undefined) found.trust = explainTrust(context, peer, options.trust)
      found.error = outcome.error
      found.username = outcome.username
    })
    const { trust, request, forward, denied, error } = found
    if (error?.cause instanceof NotExplainable) throw error.cause
    if (denied !== undefined) found.elasticsearch = await explainDenial(storedUsers, denied)
    const { providers, roles, csrf } = trace
    return {
      result: resultOf(found, response),
      mode: config.proxy.enabled ? 'proxy' : 'auth-only',
      ...{ request, trust, providers, identity: trace.identity, roles, csrf, access: null },
      ...{ elasticsearch: found.elasticsearch, forward, response: responseStep(found, response) },
    }
  }

  async function findUser(username: string): Promise<Identity> {
    const configured = services.findUser(username)
    if (configured !== undefined) return configured
    if (storedUsers.get === undefined)
      throw new NotExplainable(`no user of users has the name ${username}: add --connect to read Elasticsearch`)
    const stored = await storedUsers.get(username)
    const groups = stored && readManagedState(stored.metadata) && readGroups(stored.metadata)
    if (groups === undefined)
      throw new NotExplainable(`Elasticsearch has no user ${username} of elastauth whose groups are stored`)
    return Object.freeze({ username, groups, provider: 'stored' })
  }

  return Object.freeze({ explain, findUser, close: services.close })
}

/** What was noticed while the request was handled. */
type Found = {
  trust: TrustStep | null
  request: Explanation['request']
  elasticsearch: Explanation['elasticsearch']
  forward: ForwardStep | null
  denied?: Identity
  error?: GatewayError | undefined
  username?: string | undefined
}

/** The listener that proxies and browsers use for a target, if there are several. */
function scopeOf(target: string): Connection['listener']['serves'] {
  return endpointPath(target) === undefined ? 'sub-requests' : 'endpoints'
}

function describeRequest({ original, clientAddress }: RequestContext): Explanation['request'] {
  const { method, target, host = null } = original
  return { method, target, host, client: clientAddress ?? null }
}

function explainTrust(context: RequestContext, peer: Peer, { trustedProxies, proxySecret }: TrustOptions): TrustStep {
  const { isTrusted: trusted } = context
  const secret = proxySecret === undefined ? 'no proxy_secret is configured' : 'the request has the proxy_secret'
  return {
    trusted,
    peer: peer.isUnixSocket ? 'a unix socket' : (peer.address ?? 'a closed connection'),
    entry: trustedProxies.find((entry) => createIsTrustedPeer([entry])(peer)) ?? null,
    reason: trusted ? secret : context.explainDistrust(),
  }
}

/** A redirect to the sign-in is no access. In auth-only mode, the response names its user only if it has a credential. */
function resultOf({ error, forward, username }: Found, { status, fault }: Response): Explanation['result'] {
  if (forward === null && status >= 500) return 'failed'
  if (error !== undefined || fault !== undefined) return 'denied'
  return forward !== null || (status === 200 && username !== undefined) ? 'allowed' : 'denied'
}

function responseStep({ forward, error }: Found, { status, headers, fault }: Response): ResponseStep {
  if (forward !== null) return { status: null, error: null, detail: null, headers: [] }
  return { status, error: error?.code ?? fault ?? null, detail: error?.detail ?? null, headers }
}
