import { pbkdf2Sync } from 'node:crypto'
import { reject } from './responses.ts'

const iterations = ['1000', '10000', '50000', '100000', '500000', '1000000']
const supported = [
  ...['bcrypt', ...Array.from({ length: 11 }, (_, i) => `bcrypt${i + 4}`)],
  ...['pbkdf2', ...iterations.map((count) => `pbkdf2_${count}`)],
  ...['pbkdf2_stretch', ...iterations.map((count) => `pbkdf2_stretch_${count}`)],
]

/** Elasticsearch only checks the algorithm of a `password_hash`; the rest is checked at the user's login. */
export function parsePasswordHash(hash: string, isRejected: boolean): string {
  const [, kind, count = ''] = /^\{(PBKDF2|PBKDF2_STRETCH)\}(\d+)\$/.exec(hash) ?? []
  const isKnown = kind !== undefined || /^\$2[ab]\$\d\d\$/.test(hash)
  if (isRejected || !isKnown) {
    const reason =
      'The provided password hash is not a hash or it could not be resolved to a supported hash algorithm. ' +
      `The supported password hash algorithms are [${supported.join(', ')}]`
    throw reject(400, 'illegal_argument_exception', reason)
  }
  if (kind !== undefined && !iterations.includes(count))
    throw reject(400, 'illegal_argument_exception', `unknown hash function [${kind.toLowerCase()}_${count}]`)
  return hash
}

/** @param stored the text, or a PBKDF2 hash as it was sent; other hashes match no password here */
export function isPassword(stored: string, given: string): boolean {
  const [, count, salt, hash] = /^\{PBKDF2\}(\d+)\$([^$]+)\$([^$]+)$/.exec(stored) ?? []
  if (count === undefined) return stored === given
  if (!isBase64(salt!) || !isBase64(hash!)) return false
  const expected = Buffer.from(hash!, 'base64')
  return pbkdf2Sync(given, Buffer.from(salt!, 'base64'), Number(count), expected.length, 'sha512').equals(expected)
}

/** RFC 4648 §4 with padding. In Elasticsearch, a hash in another encoding matches no password. */
function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)
}
