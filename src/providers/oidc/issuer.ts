import {
  allowInsecureRequests,
  Configuration,
  type CustomFetch,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  type ServerMetadata,
} from 'openid-client'
import { backOffMs } from '../../async/back-off.ts'
import { shareTask } from '../../async/single-flight.ts'
import { GatewayError } from '../../http/errors.ts'
import { type ClientCredentials, createClientAuth } from './client-auth.ts'
import { toDiscoveryError } from './discovery-error.ts'

/** The endpoints that elastauth uses, by their names in the provider's metadata (RFC 8414, section 2). */
const endpointNames = [
  'authorization_endpoint',
  'token_endpoint',
  'userinfo_endpoint',
  'introspection_endpoint',
  'end_session_endpoint',
  'jwks_uri',
] as const
export type Endpoint = (typeof endpointNames)[number]

export type IssuerOptions = Readonly<{
  /** The issuer exactly as the provider spells it in its tokens. */
  issuer: string
  clientId: string
  client: ClientCredentials
  /** Configured endpoints, which take precedence over discovered ones. */
  endpoints: Readonly<Partial<Record<Endpoint, string>>>
  /** Discovery is skipped if all of these are in `endpoints`. */
  requiredEndpoints: readonly Endpoint[]
  fetch: CustomFetch
  /** Milliseconds since 1970. */
  now: () => number
  /** Milliseconds of a monotonic clock, for intervals. */
  monotonicNow: () => number
  /** Called once for each reason why discovery fails, and with `undefined` when it succeeds again. */
  reportProblem: (problem: string | undefined) => void
}>

export type Issuer = Readonly<{
  /**
   * The provider's metadata with elastauth's client credentials, for openid-client. Returns the same object until the
   * metadata changes or the clock is set back. Outdated metadata is used while it is refreshed in the background.
   * Rejects with GatewayError provider_unavailable as long as discovery has never succeeded.
   */
  configuration: () => Promise<Configuration>
  /** The metadata alone, with the configured endpoints. */
  metadata: () => Promise<ServerMetadata>
  /** The metadata that was last discovered, or the configured endpoints until then. */
  knownMetadata: () => Partial<ServerMetadata>
  /** Whether the last discovery failed. */
  isFailing: () => boolean
}>

type CachedMetadata = Readonly<{ metadata: ServerMetadata; configuration: Configuration; fetchedAtMs: number }>

const freshMs = 3_600_000
const discoveryBackOff = { firstMs: 1000, maxMs: 30_000 }
/** The wall clock counts as set back if it falls behind the monotonic clock by more than this. */
const clockToleranceMs = 1000

/** The provider's metadata: discovered when it is first needed (OpenID Connect Discovery 1.0), and refreshed every hour. */
export function createIssuer(options: IssuerOptions): Issuer {
  const { endpoints, requiredEndpoints, now, monotonicNow, reportProblem } = options
  const clientAuth = createClientAuth(options.client)
  const isManual = requiredEndpoints.every((name) => endpoints[name] !== undefined)
  let cached: CachedMetadata | undefined
  let failure: { error: GatewayError; retries: number; atMs: number } | undefined
  const refresh = shareTask(fetchAndCache)
  /** The largest lead of the wall clock over the monotonic clock so far. */
  let maxClockLeadMs = now() - monotonicNow()

  async function current(): Promise<CachedMetadata> {
    if (cached !== undefined && (isManual || monotonicNow() - cached.fetchedAtMs < freshMs)) return cached
    const isBackingOff =
      failure !== undefined && monotonicNow() - failure.atMs < backOffMs(failure.retries, discoveryBackOff)
    if (cached === undefined) {
      if (isBackingOff) throw failure!.error
      return refresh.run()
    }
    if (!isBackingOff) refresh.run().catch(() => {}) // fetchAndCache reports the error
    return cached
  }

  async function fetchAndCache(): Promise<CachedMetadata> {
    try {
      const discovered = isManual ? { issuer: options.issuer } : await discover()
      const metadata = { ...discovered, ...endpoints }
      checkMetadata(metadata, requiredEndpoints)
      const isUnchanged = JSON.stringify(cached?.metadata) === JSON.stringify(metadata)
      cached = isUnchanged
        ? { ...cached!, fetchedAtMs: monotonicNow() }
        : { metadata, configuration: configure(metadata), fetchedAtMs: monotonicNow() }
      if (failure !== undefined) reportProblem(undefined)
      failure = undefined
      return cached
    } catch (thrown) {
      const error = toDiscoveryError(thrown, options.issuer)
      if (failure?.error.detail !== error.detail) reportProblem(error.detail)
      failure = { error, retries: failure === undefined ? 0 : failure.retries + 1, atMs: monotonicNow() }
      throw error
    }
  }

  /** openid-client checks that the document names the same issuer. */
  async function discover(): Promise<ServerMetadata> {
    const settings = { [customFetch]: options.fetch, execute: [allowInsecureRequests] }
    const found = await discovery(new URL(options.issuer), options.clientId, undefined, clientAuth, settings)
    return found.serverMetadata()
  }

  function configure(metadata: ServerMetadata): Configuration {
    const configuration = new Configuration(metadata, options.clientId, undefined, clientAuth)
    configuration[customFetch] = options.fetch
    enableNonRepudiationChecks(configuration) // verifies ID tokens' signatures, although they arrive over TLS
    allowInsecureRequests(configuration) // elastauth's own `fetch` decides which URLs may use plain HTTP
    return configuration
  }

  /**
   * Returns a new Configuration if the wall clock was set back. openid-client caches the provider's keys in its
   * Configuration, with times of the wall clock: the keys would not be refreshed until that clock has caught up, and
   * logins with a newer key would fail.
   */
  function withCurrentClock(from: CachedMetadata): Configuration {
    const clockLeadMs = now() - monotonicNow()
    if (clockLeadMs < maxClockLeadMs - clockToleranceMs) {
      maxClockLeadMs = clockLeadMs
      cached = { ...from, configuration: configure(from.metadata) }
      return cached.configuration
    }
    maxClockLeadMs = Math.max(maxClockLeadMs, clockLeadMs)
    return from.configuration
  }

  return Object.freeze({
    configuration: async () => withCurrentClock(await current()),
    metadata: async () => (await current()).metadata,
    knownMetadata: () => cached?.metadata ?? endpoints,
    isFailing: () => failure !== undefined,
  })
}

function checkMetadata(metadata: ServerMetadata, requiredEndpoints: readonly Endpoint[]): void {
  // Entra ID's issuer for all tenants contains `{tenantid}`. It is rejected, because users of any tenant could sign in.
  if (metadata.issuer.includes('{'))
    throw unusable(`its issuer is a template, ${metadata.issuer}: set oidc.issuer to that of your tenant`)
  const missing = requiredEndpoints.filter((name) => metadata[name] === undefined)
  if (missing.length > 0) throw unusable(`it offers no ${missing.join(', ')}`)
  const malformed = endpointNames.filter((name) => metadata[name] !== undefined && !isHttpUrl(metadata[name]))
  if (malformed.length > 0) throw unusable(`its ${malformed.join(', ')} is not an http(s) URL`)
}

function isHttpUrl(value: unknown): boolean {
  return typeof value === 'string' && ['https:', 'http:'].includes(URL.parse(value)?.protocol ?? '')
}

function unusable(detail: string): GatewayError {
  return new GatewayError('provider_unavailable', `the identity provider cannot be used: ${detail}`)
}
