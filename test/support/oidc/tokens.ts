import { createUserAgent } from './user-agent.ts'

export type Tokens = Readonly<{ access_token: string; id_token: string; refresh_token: string; expires_in: number }>
export type TokenClient = Readonly<{ issuer: string; clientId: string; clientSecret: string; redirectUri: string }>

/** Obtains the tokens of a user by the code flow, without a browser. */
export async function requestTokens(client: TokenClient, username: string, scope: string): Promise<Tokens> {
  const { issuer, clientId, clientSecret, redirectUri } = client
  const query = new URLSearchParams({ client_id: clientId, response_type: 'code', redirect_uri: redirectUri, scope })
  const isRedirectUri = (location: string) => location.startsWith(redirectUri)
  const { url } = await createUserAgent().visit(`${issuer}/auth?${query}`, username, isRedirectUri)
  const code = new URL(url).searchParams.get('code') ?? ''
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic(clientId, clientSecret)}` },
    body: new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: redirectUri }),
  })
  if (!response.ok) throw new Error(`${response.status} from the token endpoint: ${await response.text()}`)
  return (await response.json()) as Tokens
}

/** RFC 6749, section 2.3.1: both parts are form-encoded first. */
function basic(id: string, secret: string): string {
  const encode = (value: string) => new URLSearchParams({ '': value }).toString().slice(1)
  return Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')
}
