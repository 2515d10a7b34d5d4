import type { ErrorCode } from '../http/errors.ts'
import type { ProxyRoute } from '../proxy/routing/routing.ts'
import type { StoredUserStep } from './stored-user.ts'

/** How elastauth decides about a request, step by step. A step that was not reached is null. */
export type Explanation = Readonly<{
  /** `failed`: the response has a status of 500 or more. */
  result: 'allowed' | 'denied' | 'failed'
  mode: 'auth-only' | 'proxy'
  /** The request that the client has sent, which a proxy may describe. */
  request: Readonly<{ method: string; target: string; host: string | null; client: string | null }> | null
  trust: TrustStep | null
  /** The providers, in the order in which they were tried. */
  providers: readonly ProviderStep[]
  /** What the provider says about the user. */
  identity: IdentityStep | null
  roles: RolesStep | null
  /** `unnecessary`: the request has a token that no browser adds by itself. */
  csrf: 'passed' | 'rejected' | 'unnecessary' | null
  /** elastauth has no access rules yet. */
  access: null
  elasticsearch: StoredUserStep | null
  forward: ForwardStep | null
  response: ResponseStep
}>

export type TrustStep = Readonly<{
  trusted: boolean
  peer: string
  /** The entry of `trusted_proxies` that the peer matches. */
  entry: string | null
  reason: string
}>

export type ProviderStep = Readonly<{
  name: string
  /** `missing`: the request has none of this provider's credentials, and the next provider is tried. */
  outcome: 'found' | 'missing' | 'rejected'
  username?: string
  error?: ErrorCode
  detail?: string
  /** Claims of a token that was not verified. */
  unverified?: Readonly<Record<string, unknown>>
}>

export type IdentityStep = Readonly<{
  username: string
  /** Null if the provider sent no information about groups. */
  groups: readonly string[] | null
  email: string | null
  name: string | null
}>

export type RolesStep = Readonly<{
  roles: readonly string[]
  grants: readonly Readonly<{
    role: string
    /** The group and the entry of `group_mappings` that matches it; null for a default role. */
    group: string | null
    mapping: string | null
    /** False for a name that Elasticsearch does not accept: the user does not get this role. */
    valid: boolean
  }>[]
  /** The groups that `group_whitelist` accepts; null if it is not enabled. */
  whitelist: readonly string[] | null
}>

export type ForwardStep = Readonly<{
  upstream: string
  path: string
  route: Pick<ProxyRoute, 'host' | 'path' | 'auth'>
  authorization: 'user' | 'own' | 'none'
  identity_headers: boolean
}>

export type ResponseStep = Readonly<{
  /** Null if the response is the upstream's. */
  status: number | null
  error: ErrorCode | null
  detail: string | null
  /** The names of the headers. Their values may be secrets. */
  headers: readonly string[]
}>

/** The request cannot be explained. The message says why, and what to do. */
export class NotExplainable extends Error {
  override readonly name = 'NotExplainable'
}
