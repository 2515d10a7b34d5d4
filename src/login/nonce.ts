import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

const macLength = 22

/** The key from which logins derive their secrets. @param secret hex */
export function deriveLoginKey(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'hex'), 'elastauth', 'login', 32))
}

/** Creates a nonce with a MAC, so that every replica recognizes the nonce without storing it. @param unique unpredictable */
export function createNonce(key: Buffer, unique: string): string {
  return unique + macOf(key, unique)
}

/**
 * Recognizes the nonces of elastauth's own logins, whose ID tokens must not be accepted as bearer tokens. Logout URLs contain
 * these tokens (`id_token_hint`), so they may leak through logs and browser histories.
 * @param secrets hex
 */
export function createIsOwnNonce(secrets: readonly string[]): (nonce: unknown) => boolean {
  const keys = secrets.map(deriveLoginKey)
  return (nonce) => typeof nonce === 'string' && keys.some((key) => hasValidMac(key, nonce))
}

function hasValidMac(key: Buffer, nonce: string): boolean {
  const mac = Buffer.from(nonce.slice(-macLength))
  const expected = Buffer.from(macOf(key, nonce.slice(0, -macLength)))
  return mac.length === expected.length && timingSafeEqual(mac, expected)
}

function macOf(key: Buffer, unique: string): string {
  return createHmac('sha256', key).update(`mark\0${unique}`).digest('base64url').slice(0, macLength)
}
