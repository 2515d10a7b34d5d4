import { headerPresets } from '../../../config/header-presets.ts'
import type { Identity } from '../../auth/identity.ts'

/** The names that Authelia uses, which many applications know. */
const names = headerPresets.authelia

/**
 * Returns the headers that name a user to an upstream, as alternating names and values. A header is absent if the
 * provider did not send its value.
 */
export function createIdentityHeaders(): (identity: Identity) => readonly string[] {
  const cache = new WeakMap<Identity, readonly string[]>()

  return function identityHeadersOf(identity) {
    let headers = cache.get(identity)
    if (headers === undefined) {
      headers = formatHeaders(identity)
      cache.set(identity, headers)
    }
    return headers
  }
}

function formatHeaders({ username, groups, groupsMissing, email, name }: Identity): string[] {
  const headers = [names.username, encode(username)]
  if (!groupsMissing) headers.push(names.groups, encode(groups.map(escapeGroup).join(names.groupsSeparator)))
  if (email !== undefined) headers.push(names.email, encode(email))
  if (name !== undefined) headers.push(names.name, encode(name))
  return headers
}

/**
 * Percent-encodes what would make one group look like another or like several: the separator, `%`, and white space at
 * either end, which upstreams remove.
 */
function escapeGroup(group: string): string {
  return group.replace(/[%,]|^\s|\s$/g, encodeURIComponent)
}

/** Encodes a header's value as UTF-8, as proxies do. Node writes each character as one byte. */
function encode(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1')
}
