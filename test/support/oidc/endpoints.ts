const paths = {
  discovery: '/.well-known/openid-configuration',
  jwks: '/jwks',
  authorization: '/auth',
  token: '/token',
  userinfo: '/me',
  introspection: '/token/introspection',
  revocation: '/token/revocation',
  endSession: '/session/end',
} as const

/** The endpoint of a request to the provider; `other` for its pages. */
export type Endpoint = keyof typeof paths | 'other'

export function endpointOf(url: string): Endpoint {
  const path = url.split('?', 1)[0]
  return (Object.keys(paths) as (keyof typeof paths)[]).find((name) => paths[name] === path) ?? 'other'
}
