import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

const macLength = 22

/** The key from which logins derive their secrets. @param secret hex */
export function deriveLoginKey(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'hex'), 'elastauth', 'login', 32))
}

/** A nonce with a MAC, so that every replica recognizes it without having stored it. @param unique unpredictable */
export function createNonce(key: Buffer, unique: string): string {
  return unique + macOf(key, unique)
}

/**
 * Tells whether a nonce belongs to one of our logins. The ID tokens of those appear in the URL of a logout at the provider, as
 * `id_token_hint`; anyone who finds that URL in a log or a browser history must not be able to authenticate with the token.
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
