import type { IncomingMessage } from 'node:http'
import type { HeaderNames, HeaderPreset } from '../../config/header-presets.ts'
import { createProviderChain } from './chain.ts'
import { createHeaderProvider } from './header/header.ts'
import { createOidcProvider, type OidcProviderOptions } from './oidc/index.ts'
import type { Provider } from './provider.ts'
import { createStaticProvider } from './static.ts'

export type ProviderName = HeaderPreset | 'static' | 'oidc'

export type ProviderOptions = Readonly<{
  /** In the order in which they are asked. */
  names: readonly ProviderName[]
  headers: HeaderNames
  static: Readonly<{ username: string; groups: readonly string[]; email: string | null; name: string | null }>
  /** Throws for a request whose identity only a proxy may assert, but that no proxy has sent; absent if a secret proves the proxy. */
  checkAssertedIdentity?: ((request: IncomingMessage) => void) | undefined
  /** What `oidc` is made of. */
  oidc?: OidcProviderOptions | undefined
}>

/** Who says who the user is: one provider, or several in a chain. */
export function createProvider(options: ProviderOptions): Provider {
  return createProviderChain(options.names.map((name) => createNamed(name, options)))
}

/** The one switch over the providers’ names. */
function createNamed(name: ProviderName, options: ProviderOptions): Provider {
  const { headers, static: fixed, oidc, checkAssertedIdentity } = options
  if (name === 'oidc') return createOidcProvider(oidc!)
  return checked(
    name === 'static' ? createStatic(name, fixed) : createHeaderProvider(name, headers),
    checkAssertedIdentity,
  )
}

function checked(provider: Provider, checkAssertedIdentity: ProviderOptions['checkAssertedIdentity']): Provider {
  if (checkAssertedIdentity === undefined) return provider
  return function identifyChecked(request, isTrusted) {
    const identified = provider(request, isTrusted)
    checkAssertedIdentity(request)
    return identified
  }
}

function createStatic(name: ProviderName, fixed: ProviderOptions['static']): Provider {
  const { username, groups, email, name: fullName } = fixed
  return createStaticProvider(
    Object.freeze({ username, groups, ...(email && { email }), ...(fullName && { name: fullName }), provider: name }),
  )
}
