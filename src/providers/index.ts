import type { IncomingMessage } from 'node:http'
import type { HeaderNames, HeaderPreset } from '../../config/header-presets.ts'
import { createProviderChain } from './chain.ts'
import { createHeaderProvider } from './header/header.ts'
import { createOidcProvider, type OidcProviderOptions } from './oidc/index.ts'
import type { Provider } from './provider.ts'
import { createStaticProvider } from './static.ts'

export type ProviderName = HeaderPreset | 'static' | 'oidc' | 'elasticsearch' | 'users'

export type ProviderOptions = Readonly<{
  /** The providers, in the order in which they are tried. */
  names: readonly ProviderName[]
  headers: HeaderNames
  static: Readonly<{ username: string; groups: readonly string[]; email: string | null; name: string | null }>
  /**
   * Checks a request of the providers that trust the proxy (identity headers, static). Throws for a request that did
   * not come from a proxy. Undefined if the proxy_secret authenticates the proxy.
   */
  checkAssertedIdentity?: ((request: IncomingMessage) => void) | undefined
  /** Required by the provider `oidc`. */
  oidc?: OidcProviderOptions | undefined
  /** The provider `elasticsearch` itself, if it is configured: it keeps its verified credentials across reloads. */
  elasticsearch?: Provider | undefined
  /** The provider `users` itself, if it is configured. */
  users?: Provider | undefined
  /** Wraps each provider; undefined in a running server. */
  observe?: ((name: ProviderName, provider: Provider) => Provider) | undefined
}>

/** The configured provider, or a chain of several. */
export function createProvider(options: ProviderOptions): Provider {
  const { names, observe } = options
  return createProviderChain(
    names.map((name) => {
      const provider = createNamedProvider(name, options)
      return observe?.(name, provider) ?? provider
    }),
  )
}

function createNamedProvider(name: ProviderName, options: ProviderOptions): Provider {
  const { headers, static: staticUser, oidc, elasticsearch, users, checkAssertedIdentity } = options
  if (name === 'oidc') return createOidcProvider(oidc!)
  if (name === 'elasticsearch') return elasticsearch!
  if (name === 'users') return users!
  const provider = name === 'static' ? createStatic(name, staticUser) : createHeaderProvider(name, headers)
  return withCheck(provider, checkAssertedIdentity)
}

function withCheck(provider: Provider, checkAssertedIdentity: ProviderOptions['checkAssertedIdentity']): Provider {
  if (checkAssertedIdentity === undefined) return provider
  return function identifyChecked(context) {
    const identified = provider(context)
    checkAssertedIdentity(context.request)
    return identified
  }
}

function createStatic(name: ProviderName, staticUser: ProviderOptions['static']): Provider {
  const { username, groups, email, name: fullName } = staticUser
  return createStaticProvider(
    Object.freeze({ username, groups, ...(email && { email }), ...(fullName && { name: fullName }), provider: name }),
  )
}
