import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { type JWK, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose'

export type SigningKey = Readonly<{ kid: string; alg: 'RS256' | 'ES256'; privateKey: KeyObject; publicKey: KeyObject }>

export function createSigningKey(alg: SigningKey['alg'] = 'RS256'): SigningKey {
  const pair =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return Object.freeze({ kid: randomUUID(), alg, ...pair })
}

export function publicJwk({ kid, alg, publicKey }: SigningKey): JWK {
  return { ...(publicKey.export({ format: 'jwk' }) as JWK), kid, alg, use: 'sig' }
}

export function privateJwk({ kid, alg, privateKey }: SigningKey): JWK {
  return { ...(privateKey.export({ format: 'jwk' }) as JWK), kid, alg, use: 'sig' }
}

/** Signs the claims and the header without changes. */
export function signJwt(key: SigningKey, payload: JWTPayload, header: Partial<JWTHeaderParameters> = {}) {
  return new SignJWT(payload).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey)
}
