import { createHash } from 'node:crypto'
import type { Identity } from './identity.ts'

/** A checked identity with its roles: all that the credential of a user depends on. */
export type Subject = Readonly<{
  identity: Identity
  roles: readonly string[]
  /** Changes whenever anything changes that Elasticsearch stores about the user: roles, name, e-mail, groups. */
  fingerprint: string
  /** Changes with the user's roles and groups. A changed name or e-mail alone does not cause a write. */
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

/** Independent of the order of roles and groups. */
export function accessOf(roles: readonly string[], groups: readonly string[]): string {
  return hashOf([roles.toSorted(), groups.toSorted()])
}

function fingerprintOf(identity: Identity, roles: readonly string[]): string {
  return hashOf([roles.toSorted(), identity.name ?? null, identity.email ?? null, identity.groups.toSorted()])
}

/** 144 bits of SHA-256 as 24 base64url characters. JSON separates the parts unambiguously. */
function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 18).toString('base64url')
}
