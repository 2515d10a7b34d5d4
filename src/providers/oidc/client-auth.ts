import { createPrivateKey, type KeyObject } from 'node:crypto'
import { type ClientAuth, ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt } from 'openid-client'

/** How we prove to the provider that we are the client (OpenID Connect Core, 9). */
export type ClientCredentials = Readonly<{
  method: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'
  secret?: string | undefined
  /** PEM text, for private_key_jwt: RSA, EC or Ed25519. */
  privateKey?: string | undefined
  /** The `kid` under which the provider knows that key. */
  privateKeyId?: string | undefined
}>

/** Without a secret we prove nothing: who only takes tokens that others got needs none. */
export function createClientAuth({ method, secret, privateKey = '', privateKeyId }: ClientCredentials): ClientAuth {
  switch (method) {
    case 'client_secret_basic':
      return secret === undefined ? None() : ClientSecretBasic(secret)
    case 'client_secret_post':
      return secret === undefined ? None() : ClientSecretPost(secret)
    case 'private_key_jwt': {
      const key = toSigningKey(createPrivateKey(privateKey))
      return PrivateKeyJwt(privateKeyId === undefined ? key : { key, kid: privateKeyId })
    }
    case 'none':
      return None()
  }
}

/** RSA signs as RS256, the one algorithm of RSA that every provider knows. Throws for a kind of key no algorithm is for. */
function toSigningKey(key: KeyObject): CryptoKey {
  const { asymmetricKeyType: kind, asymmetricKeyDetails: details } = key
  if (kind === 'rsa') return key.toCryptoKey({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['sign'])
  if (kind === 'ed25519') return key.toCryptoKey({ name: 'Ed25519' }, false, ['sign'])
  const namedCurve = curves[details?.namedCurve ?? '']
  if (namedCurve === undefined)
    throw new Error('oidc.private_key is neither RSA nor EC (P-256, P-384, P-521) nor Ed25519')
  return key.toCryptoKey({ name: 'ECDSA', namedCurve }, false, ['sign'])
}

/** OpenSSL’s names of curves, and those of Web Cryptography. */
const curves: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }
