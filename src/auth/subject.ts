import { createHash } from 'node:crypto'
import type { Identity } from './identity.ts'

/** A checked identity with its roles: all that the credential of a user depends on. */
export type Subject = Readonly<{
  identity: Identity
  roles: readonly string[]
  /** Changes whenever anything changes that Elasticsearch stores about the user: roles, name, e-mail, groups. */
  fingerprint: string
  /** Changes whenever what the user may do changes: roles, groups. A name or an e-mail alone is no reason to write. */
  access: string
}>

export function createSubject(identity: Identity, roles: readonly string[]): Subject {
  return Object.freeze({
    identity,
    roles,
    fingerprint: fingerprintOf(identity, roles),
    access: accessOf(roles, identity.groups),
  })
}

/** The same for the same roles and groups, whatever their order. */
export function accessOf(roles: readonly string[], groups: readonly string[]): string {
  return hashOf([roles.toSorted(), groups.toSorted()])
}

function fingerprintOf(identity: Identity, roles: readonly string[]): string {
  return hashOf([roles.toSorted(), identity.name ?? null, identity.email ?? null, identity.groups.toSorted()])
}

/** 144 bits of SHA-256 as 24 base64url characters. JSON keeps the parts apart. */
function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 18).toString('base64url')
}
