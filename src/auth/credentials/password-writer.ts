import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import type { ManagedState } from './managed-user.ts'
import type { Keyring } from './password.ts'

/** A password for a write to Elasticsearch; if `passwordHash` is set, the hash is sent instead of the text. */
export type PasswordToWrite = Readonly<{ password: string; passwordHash?: string }>

/**
 * Derives and hashes the password for `state`. Hashing takes about a millisecond, so callers do it before they read the user
 * whose state decides the write.
 */
export type PreparePassword = (username: string, state: ManagedState) => Promise<PasswordToWrite>

type PasswordWriterOptions = Readonly<{
  keys: Pick<Keyring, 'password' | 'passwordSalt'>
  /** False once Elasticsearch has rejected the algorithm of a hash, or if the configuration disables hashes. */
  sendsHash: () => boolean
}>

export function createPasswordWriter({ keys, sendsHash }: PasswordWriterOptions): PreparePassword {
  return async function preparePassword(username, { key_id, created, version }) {
    const password = keys.password(key_id, username, created, version)
    if (!sendsHash()) return { password }
    return {
      password,
      passwordHash: await hashPassword(password, keys.passwordSalt(key_id, username, created, version)),
    }
  }
}

const derive = promisify(pbkdf2)

/**
 * Elasticsearch's hash `pbkdf2_1000`: PBKDF2-HMAC-SHA512, salt and hash of 32 bytes each, in base64 with padding. Many
 * iterations protect passwords that can be guessed. elastauth's passwords have 256 derived bits, so the minimum that
 * Elasticsearch accepts is enough.
 */
export async function hashPassword(password: string, salt: Buffer): Promise<string> {
  const hash = await derive(password, salt, iterations, 32, 'sha512')
  return `{PBKDF2}${iterations}$${salt.toString('base64')}$${hash.toString('base64')}`
}

const iterations = 1000
