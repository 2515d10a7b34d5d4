import type { IncomingMessage } from 'node:http'
import type { HeaderNames, HeaderPreset } from '../../config/header-presets.ts'
import type { Identified } from '../auth/identity.ts'
import type { Soon } from '../soon.ts'
import { createProviderChain } from './chain.ts'
import { createHeaderProvider } from './headers.ts'
import { createOidcProvider, type OidcProviderOptions } from './oidc/index.ts'
import { createStaticProvider } from './static.ts'

/**
 * Request → identity. The identity is the same frozen object for the same assertion, so that results derived from it can be cached.
 * Throws, or rejects with, GatewayError identity_missing, peer_untrusted, identity_invalid, or a code of its own.
 */
export type Provider = (request: IncomingMessage, isTrusted: boolean) => Soon<Identified>

export type ProviderName = HeaderPreset | 'static' | 'oidc'

export type ProviderOptions = Readonly<{
  /** In the order in which they are asked. */
  names: readonly ProviderName[]
  headers: HeaderNames
  static: Readonly<{ username: string; groups: readonly string[]; email: string | null; name: string | null }>
  /** Throws for a request whose identity only a proxy may assert, but that no proxy has sent; absent if a secret proves the proxy. */
  checkAsserted?: ((request: IncomingMessage) => void) | undefined
  /** What `oidc` is made of. */
  oidc?: OidcProviderOptions | undefined
}>

/** Who says who the user is: one provider, or several in a chain. */
export function createProvider(options: ProviderOptions): Provider {
  return createProviderChain(options.names.map((name) => createNamed(name, options)))
}

/** The one switch over the providers’ names. */
function createNamed(name: ProviderName, options: ProviderOptions): Provider {
  const { headers, static: fixed, oidc, checkAsserted } = options
  if (name === 'oidc') return createOidcProvider(oidc!)
  return checked(name === 'static' ? createStatic(name, fixed) : createHeaderProvider(name, headers), checkAsserted)
}

function checked(provider: Provider, checkAsserted: ProviderOptions['checkAsserted']): Provider {
  if (checkAsserted === undefined) return provider
  return function identifyChecked(request, isTrusted) {
    const identified = provider(request, isTrusted)
    checkAsserted(request)
    return identified
  }
}

function createStatic(name: ProviderName, fixed: ProviderOptions['static']): Provider {
  const { username, groups, email, name: fullName } = fixed
  return createStaticProvider(
    Object.freeze({ username, groups, ...(email && { email }), ...(fullName && { name: fullName }), provider: name }),
  )
}
