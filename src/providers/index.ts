import type { IncomingMessage } from 'node:http'
import type { HeaderNames, HeaderPreset } from '../../config/header-presets.ts'
import type { Identity } from '../auth/identity.ts'
import { createHeaderProvider } from './headers.ts'
import { createStaticProvider } from './static.ts'

/**
 * Request → identity. Returns the same frozen object for the same assertion: what follows from it is then remembered.
 * Throws GatewayError identity_missing, peer_untrusted, identity_invalid, or a code of its own.
 */
export type Provider = (
  request: Pick<IncomingMessage, 'rawHeaders'>,
  isTrusted: boolean,
) => Identity | Promise<Identity>

export type ProviderOptions = Readonly<{
  name: HeaderPreset | 'static'
  headers: HeaderNames
  static: Readonly<{ username: string; groups: readonly string[]; email: string | null; name: string | null }>
}>

/** The one switch over `auth_provider`. */
export function createProvider({ name, headers, static: fixed }: ProviderOptions): Provider {
  if (name === 'static') {
    const { username, groups, email, name: fullName } = fixed
    return createStaticProvider(
      Object.freeze({ username, groups, ...(email && { email }), ...(fullName && { name: fullName }), provider: name }),
    )
  }
  return createHeaderProvider(name, headers)
}
