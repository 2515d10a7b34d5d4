import { createHash } from 'node:crypto'
import type { Identity } from './identity.ts'

/** A checked identity with its roles: all that the credential of a user depends on. */
export type Subject = Readonly<{
  identity: Identity
  roles: readonly string[]
  /** Changes whenever anything changes that Elasticsearch stores about the user: roles, name, e-mail, groups. */
  fingerprint: string
}>

export function createSubject(identity: Identity, roles: readonly string[]): Subject {
  return Object.freeze({ identity, roles, fingerprint: fingerprintOf(identity, roles) })
}

/** 144 bits of SHA-256 as 24 base64url characters. JSON keeps the parts apart; the order of groups is of no account. */
function fingerprintOf(identity: Identity, roles: readonly string[]): string {
  const parts = [roles.toSorted(), identity.name ?? null, identity.email ?? null, identity.groups.toSorted()]
  return createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 18).toString('base64url')
}
