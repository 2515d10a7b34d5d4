import {
  allowInsecureRequests,
  Configuration,
  type CustomFetch,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  type ServerMetadata,
} from 'openid-client'
import { GatewayError } from '../../http/errors.ts'
import { type ClientCredentials, createClientAuth } from './client-auth.ts'
import { asProviderError } from './provider-error.ts'

/** The endpoints we may use, by their names in the provider’s metadata (RFC 8414, 2). */
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
  /** As the provider spells it: tokens must name it by exactly this text. */
  issuer: string
  clientId: string
  client: ClientCredentials
  /** In place of what discovery finds. */
  endpoints: Readonly<Partial<Record<Endpoint, string>>>
  /** Those we cannot do without. When all of them are given, nothing is discovered. */
  requiredEndpoints: readonly Endpoint[]
  fetch: CustomFetch
  now: () => number
  /** For intervals: milliseconds of a monotonic clock. */
  monotonicNow: () => number
  /** Told when the provider’s metadata cannot be had, once for each reason, and when it can again (`undefined`). */
  reportProblem: (problem: string | undefined) => void
}>

export type Issuer = Readonly<{
  /**
   * What we know of the provider, and who we are to it; the same object until it changes. Rejects with GatewayError
   * provider_unavailable while nothing is known. What is old is renewed behind the callers’ backs, and used until then.
   */
  configuration: () => Promise<Configuration>
  /** The same as the provider wrote it, with our own endpoints in it. */
  metadata: () => Promise<ServerMetadata>
  /** Whether the last attempt to learn or renew it failed. */
  isFailing: () => boolean
}>

type Known = Readonly<{ metadata: ServerMetadata; configuration: Configuration; at: number }>

/** How long the metadata is believed, in milliseconds. */
const freshFor = 3_600_000
const firstPause = 1000
const longestPause = 30_000

/** The provider’s metadata: discovered when first needed (OpenID Connect Discovery 1.0), renewed hourly, the last good kept. */
export function createIssuer(options: IssuerOptions): Issuer {
  const { endpoints, requiredEndpoints, now, monotonicNow, reportProblem } = options
  const clientAuth = createClientAuth(options.client)
  const isManual = requiredEndpoints.every((name) => endpoints[name] !== undefined)
  let known: Known | undefined
  let failure: { error: GatewayError; pause: number; at: number } | undefined
  let flight: Promise<Known> | undefined
  /** The largest lead of the wall clock over the monotonic one so far. */
  let configuredAhead = now() - monotonicNow()

  async function current(): Promise<Known> {
    if (known !== undefined && (isManual || monotonicNow() - known.at < freshFor)) return known
    const isPaused = failure !== undefined && monotonicNow() - failure.at < failure.pause
    if (known === undefined) {
      if (isPaused) throw failure!.error
      return renew()
    }
    if (!isPaused) renew().catch(() => {}) // reported there; the last good stays
    return known
  }

  function renew(): Promise<Known> {
    flight ??= learn().finally(() => {
      flight = undefined
    })
    return flight
  }

  async function learn(): Promise<Known> {
    try {
      const metadata = isManual ? { issuer: options.issuer } : await discover()
      const server = { ...metadata, ...endpoints }
      checkServer(server, requiredEndpoints)
      const isSame = JSON.stringify(known?.metadata) === JSON.stringify(server)
      known = isSame
        ? { ...known!, at: monotonicNow() }
        : { metadata: server, configuration: configure(server), at: monotonicNow() }
      if (failure !== undefined) reportProblem(undefined)
      failure = undefined
      return known
    } catch (thrown) {
      const error = asProviderError(thrown, 'discovery')
      if (failure?.error.detail !== error.detail) reportProblem(error.detail)
      failure = { error, pause: Math.min((failure?.pause ?? firstPause / 2) * 2, longestPause), at: monotonicNow() }
      throw error
    }
  }

  /** Checks that the document is the issuer’s own: it names the same one. */
  async function discover(): Promise<ServerMetadata> {
    const settings = { [customFetch]: options.fetch, execute: [allowInsecureRequests] }
    const found = await discovery(new URL(options.issuer), options.clientId, undefined, clientAuth, settings)
    return found.serverMetadata()
  }

  function configure(server: ServerMetadata): Configuration {
    const configuration = new Configuration(server, options.clientId, undefined, clientAuth)
    configuration[customFetch] = options.fetch
    enableNonRepudiationChecks(configuration) // ID tokens’ signatures are checked, though TLS vouches for them
    allowInsecureRequests(configuration) // `fetch` decides what may go unencrypted
    return configuration
  }

  /**
   * openid-client caches the provider's keys by the wall clock, in its Configuration: if the clock is set back, they would stay
   * until it has caught up, and no login with a newer key would work. A new Configuration drops that cache.
   */
  function withCurrentClock(from: Known): Configuration {
    const ahead = now() - monotonicNow()
    if (ahead < configuredAhead - 1000) {
      configuredAhead = ahead
      known = { ...from, configuration: configure(from.metadata) }
      return known.configuration
    }
    configuredAhead = Math.max(configuredAhead, ahead)
    return from.configuration
  }

  return Object.freeze({
    configuration: async () => withCurrentClock(await current()),
    metadata: async () => (await current()).metadata,
    isFailing: () => failure !== undefined,
  })
}

function checkServer(server: ServerMetadata, needed: readonly Endpoint[]): void {
  // Entra ID’s issuer for all tenants: whoever has an account anywhere would be let in.
  if (server.issuer.includes('{')) throw unusable(`its issuer is a template, ${server.issuer}: configure your tenant’s`)
  const missing = needed.filter((name) => server[name] === undefined)
  if (missing.length > 0) throw unusable(`it offers no ${missing.join(', ')}`)
  const broken = endpointNames.filter((name) => server[name] !== undefined && !isAddress(server[name]))
  if (broken.length > 0) throw unusable(`its ${broken.join(', ')} is not an http(s) URL`)
}

function isAddress(value: unknown): boolean {
  return typeof value === 'string' && ['https:', 'http:'].includes(URL.parse(value)?.protocol ?? '')
}

function unusable(detail: string): GatewayError {
  return new GatewayError('provider_unavailable', `the identity provider cannot be used: ${detail}`)
}
