import type { ServerMetadata } from 'openid-client'

const operations = {
  jwks: 'jwks_uri',
  token: 'token_endpoint',
  userinfo: 'userinfo_endpoint',
  introspection: 'introspection_endpoint',
  revocation: 'revocation_endpoint',
  par: 'pushed_authorization_request_endpoint',
} as const satisfies Record<string, keyof ServerMetadata>

/** The values of a metric label. */
export type ProviderOperation = keyof typeof operations | 'discovery' | 'other'

/** What a call to the provider is for. @param metadata as far as it is known */
export function operationOf(url: URL, metadata: Partial<ServerMetadata>): ProviderOperation {
  for (const [operation, endpoint] of Object.entries(operations)) {
    const address = metadata[endpoint]
    if (address !== undefined && URL.parse(address)?.href === url.href) return operation as keyof typeof operations
  }
  return discoveryPath.test(url.pathname) ? 'discovery' : 'other'
}

/** OpenID Connect Discovery 1.0, section 4; RFC 8414, section 3. */
const discoveryPath = /\/\.well-known\/(?:openid-configuration|oauth-authorization-server)(?:$|\/)/
