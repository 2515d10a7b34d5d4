import { createPrivateKey, type KeyObject } from 'node:crypto'
import { type ClientAuth, ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt } from 'openid-client'

/** How elastauth authenticates to the provider as a client (OpenID Connect Core, section 9). */
export type ClientCredentials = Readonly<{
  method: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'
  secret?: string | undefined
  /** The private key for private_key_jwt as PEM text: RSA, EC or Ed25519. */
  privateKey?: string | undefined
  /** The `kid` under which the provider stores the public key. */
  privateKeyId?: string | undefined
}>

/**
 * Without a secret or key, elastauth does not authenticate to the provider, which is not needed to accept tokens that
 * other clients obtained.
 */
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

/**
 * Imports a private key for signing. RSA keys sign with RS256, which every provider supports. Throws for an unsupported
 * type of key.
 */
function toSigningKey(key: KeyObject): CryptoKey {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa') return key.toCryptoKey({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['sign'])
  if (type === 'ed25519') return key.toCryptoKey({ name: 'Ed25519' }, false, ['sign'])
  const namedCurve = webCryptoCurves[details?.namedCurve ?? '']
  if (namedCurve === undefined)
    throw new Error('oidc.private_key is not an RSA, EC (P-256, P-384, P-521) or Ed25519 key')
  return key.toCryptoKey({ name: 'ECDSA', namedCurve }, false, ['sign'])
}

/** Maps OpenSSL's names of curves to those of the Web Cryptography API. */
const webCryptoCurves: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
}
