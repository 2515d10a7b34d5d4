import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

const markLength = 22

/** What logins derive from a secret key. @param secret hex */
export function loginKey(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'hex'), 'elastauth', 'login', 32))
}

/** A nonce that every replica knows for one of ours, without having kept it. @param unique that nobody can foresee */
export function markNonce(key: Buffer, unique: string): string {
  return unique + markOf(key, unique)
}

/**
 * Whether a nonce is of a login with us. The ID token that has it goes to the provider again in the address of the logout,
 * as its hint: there it says who logs out, and whoever finds that address must not be able to log in with it.
 * @param secrets hex
 */
export function createIsOwnNonce(secrets: readonly string[]): (nonce: unknown) => boolean {
  const keys = secrets.map(loginKey)
  return (nonce) => typeof nonce === 'string' && keys.some((key) => isMarked(key, nonce))
}

function isMarked(key: Buffer, nonce: string): boolean {
  const mark = Buffer.from(nonce.slice(-markLength))
  const expected = Buffer.from(markOf(key, nonce.slice(0, -markLength)))
  return mark.length === expected.length && timingSafeEqual(mark, expected)
}

function markOf(key: Buffer, unique: string): string {
  return createHmac('sha256', key).update(`mark\0${unique}`).digest('base64url').slice(0, markLength)
}
