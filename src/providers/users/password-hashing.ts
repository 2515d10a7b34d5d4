import { argon2, argon2Sync, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { type PasswordHash, parsePasswordHash } from '../../../config/formats/password-hash.ts'

/**
 * In UTF-8 bytes. Longer passwords are rejected before they are hashed. bcrypt uses the first 72 bytes only, so that longer
 * passwords would be equal to others.
 */
export const maxPasswordBytes = 1024
const maxBcryptBytes = 72

/** The first choice of OWASP's password storage cheat sheet: 19 MiB, two passes. `memory` is in KiB. */
const defaults = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 }

const runArgon2 = promisify(argon2)

/** Node's argon2id needs OpenSSL 3.2, which a distribution's own build of Node may lack. */
export function hasArgon2(): boolean {
  try {
    return (
      argon2Sync('argon2id', { ...defaults, message: '', nonce: Buffer.alloc(16), memory: 8, passes: 1 }).length > 0
    )
  } catch {
    return false
  }
}

/** Hashes a password with argon2id, in the PHC string format. */
export async function hashPassword(password: string): Promise<string> {
  const { memory, passes, parallelism } = defaults
  const nonce = randomBytes(16)
  const tag = await runArgon2('argon2id', { ...defaults, message: normalize(password), nonce })
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${toBase64(nonce)}$${toBase64(tag)}`
}

/** Whether a password has this hash, which is valid (config/formats/password-hash.ts). */
export function verifyPasswordHash(password: string, text: string): Promise<boolean> {
  const hash = parsePasswordHash(text)
  if (typeof hash === 'string') throw new Error(`a password hash ${hash}`)
  const normalized = normalize(password)
  return hash.kind === 'argon2id' ? verifyArgon2(normalized, hash) : verifyBcrypt(normalized, hash.text)
}

async function verifyArgon2(message: string, hash: PasswordHash & { kind: 'argon2id' }): Promise<boolean> {
  const { memory, passes, parallelism } = hash
  const [nonce, expected] = [Buffer.from(hash.salt, 'base64'), Buffer.from(hash.tag, 'base64')]
  const tagLength = expected.length
  return timingSafeEqual(
    await runArgon2('argon2id', { message, nonce, memory, passes, parallelism, tagLength }),
    expected,
  )
}

/** Compares a longer password as well, so that it costs the same. */
async function verifyBcrypt(password: string, hash: string): Promise<boolean> {
  const { compareBcrypt } = await import('./bcrypt.ts')
  const isEqual = await compareBcrypt(password, hash)
  return isEqual && Buffer.byteLength(password) <= maxBcryptBytes
}

/** RFC 8265, section 4.2: the same text is the same password, whatever Unicode form the keyboard produces. */
function normalize(password: string): string {
  return password.normalize('NFC')
}

/** Without padding, as the PHC string format requires. */
function toBase64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
