import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import type { ManagedState } from './managed-user.ts'
import type { Keyring } from './password.ts'

/** A password for a write to Elasticsearch; with `passwordHash`, the hash is sent in place of the text. */
export type PasswordToWrite = Readonly<{ password: string; passwordHash?: string }>

/**
 * Prepares the password for `state`. Hashing takes a millisecond on another thread: prepare first, then do the read that decides
 * the write.
 */
export type PreparePassword = (username: string, state: ManagedState) => Promise<PasswordToWrite>

type PasswordWriterOptions = Readonly<{
  keys: Pick<Keyring, 'password' | 'passwordSalt'>
  /** Whether Elasticsearch is believed to accept our hashes. */
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
 * Elasticsearch's hash `pbkdf2_1000`: PBKDF2-HMAC-SHA512, salt and hash of 32 bytes each, in base64 with padding.
 * A slow hash protects passwords that can be guessed. Ours are 256 derived bits, so the fewest iterations that
 * Elasticsearch accepts are enough.
 */
export async function hashPassword(password: string, salt: Buffer): Promise<string> {
  const hash = await derive(password, salt, iterations, 32, 'sha512')
  return `{PBKDF2}${iterations}$${salt.toString('base64')}$${hash.toString('base64')}`
}

const iterations = 1000
