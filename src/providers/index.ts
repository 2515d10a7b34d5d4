import type { IncomingMessage } from 'node:http'
import type { Identity } from '../auth/identity.ts'
import { createHeaderProvider } from './headers.ts'
import { type HeaderNames, type HeaderPreset, headerPresets } from './presets.ts'
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
  /** Other header names than the preset's, `null` where the preset's own holds. */
  headers: Readonly<{ [Name in keyof HeaderNames]: string | null }>
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
  const preset = headerPresets[name]
  return createHeaderProvider(name, {
    username: headers.username ?? preset.username,
    groups: headers.groups ?? preset.groups,
    email: headers.email ?? preset.email,
    name: headers.name ?? preset.name,
    groupsSeparator: headers.groupsSeparator ?? preset.groupsSeparator,
  })
}
