import { createHash } from 'node:crypto'
import type { Identity } from './identity.ts'

/** A validated identity with its roles, on which the user's credential depends. */
export type Subject = Readonly<{
  identity: Identity
  roles: readonly string[]
  /** A hash of the roles, name, email address and groups, which Elasticsearch stores. */
  fingerprint: string
  /** A hash of the roles and groups only, because a changed name or email address alone does not cause a write. */
  access: string
  /** `Identity.authenticatedAt`, or a time that is later than any revocation. */
  authenticatedAt: number
}>

export function createSubject(identity: Identity, roles: readonly string[]): Subject {
  return Object.freeze({
    identity,
    roles,
    fingerprint: fingerprintOf(identity, roles),
    access: accessOf(roles, identity.groups),
    authenticatedAt: identity.authenticatedAt ?? Number.MAX_SAFE_INTEGER,
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
