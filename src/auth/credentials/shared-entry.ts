import { timingSafeEqual } from 'node:crypto'
import { type ManagedState, readManagedState } from './managed-user.ts'
import type { Keyring } from './password.ts'

export type Seal = Pick<Keyring, 'knows' | 'seal'>

/**
 * Encodes a state for the shared store as its fields, a nonce, and an HMAC over both and the username. The HMAC prevents anyone
 * with write access to Redis from forging a state. The entry contains no secrets.
 */
export function encodeEntry(username: string, state: ManagedState, nonce: string, keys: Seal): string {
  const fields = `${encodeState(state)} ${nonce}`
  return `${fields} ${sealOf(username, fields, state.key_id, keys)}`
}

/** @returns undefined for an entry that is malformed, forged, another user's, or sealed with an unknown key */
export function decodeEntry(username: string, entry: string, keys: Seal): ManagedState | undefined {
  const [created, version, key_id = '', issued_at, extended_at, not_before, fingerprint, nonce, seal, ...rest] =
    entry.split(' ')
  if (seal === undefined || rest.length > 0 || !keys.knows(key_id)) return undefined
  const fields = entry.slice(0, -seal.length - 1)
  if (nonce === '' || !isEqual(seal, sealOf(username, fields, key_id, keys))) return undefined
  const extension = extended_at === '-' ? {} : { extended_at: Number(extended_at) }
  const revocation = not_before === '-' ? {} : { not_before: Number(not_before) }
  const times = { issued_at: Number(issued_at), ...extension, ...revocation }
  const state = { created, version: Number(version), key_id, ...times, fingerprint }
  return readManagedState({ elastauth: state })
}

/** The id of a state. Two states are equal exactly if their ids are equal. */
export function encodeState(state: ManagedState): string {
  const { created, version, key_id, issued_at, extended_at = '-', not_before = '-', fingerprint } = state
  return [created, version, key_id, issued_at, extended_at, not_before, fingerprint].join(' ')
}

function sealOf(username: string, fields: string, keyId: string, keys: Seal): string {
  return keys.seal(keyId, `${username}\0${fields}`)
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
