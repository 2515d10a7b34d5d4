import type { RecentError } from '../observability/recent-errors.ts'
import { type Finding, ok, splitFix, warning } from './check.ts'

/** Users are told to reproduce the problem first: older errors may have been fixed since. */
const recentMs = 15 * 60_000

type Explanation = Readonly<{ check: 'trust' | 'errors'; fix?: string; only?: RegExp }>

/** Errors that a wrong setting may cause, with the fix if their details do not name one. Other codes are errors of clients, or are found by other checks. */
const explanations: Readonly<Record<string, Explanation>> = {
  peer_untrusted: {
    check: 'trust',
  },
  identity_missing: {
    check: 'errors',
    fix: 'let the proxy ask the identity provider first, and copy its headers (authResponseHeaders in Traefik)',
  },
  identity_invalid: { check: 'errors', fix: 'let the proxy remove identity headers of clients, also other spellings' },
  not_found: {
    check: 'errors',
    only: /sub-requests|forward_auth/,
  },
  user_foreign: {
    check: 'errors',
    fix: 'delete or rename the user in Elasticsearch, or set elasticsearch.adopt_existing_users',
  },
  user_reserved: { check: 'errors', fix: 'rename the person at the identity provider' },
  no_roles: {
    check: 'errors',
    fix: 'add a group of the user, which the log names, to group_mappings, or set default_roles',
  },
  group_denied: { check: 'errors', fix: 'add a group of the user, which the log names, to group_whitelist' },
  key_conflict: { check: 'errors', fix: 'use the same secret_key in all installations' },
  login_insecure: {
    check: 'errors',
    fix: 'list the proxy in trusted_proxies, and let it send X-Forwarded-Proto: https',
  },
  login_failed: {
    check: 'errors',
    fix: 'open the page itself to sign in again; with several replicas use one secret_key, and cache.type: redis',
  },
  headers_too_large: { check: 'errors', fix: 'remove large cookies of other applications on this domain' },
}

/** What the errors of a running elastauth say about its configuration. */
export function explainErrors(
  errors: readonly RecentError[],
  check: 'trust' | 'errors',
  now: number,
): Finding | Finding[] {
  const found = errors.flatMap(({ code, detail, count, last }) => {
    const explanation = Object.hasOwn(explanations, code) ? explanations[code] : undefined
    const isRecent = now - Date.parse(last) < recentMs
    if (explanation?.check !== check || !isRecent || explanation.only?.test(detail) === false) return []
    const [problem, fix] = splitFix(detail)
    return [warning(`${code}, ${count === 1 ? 'once' : `${count} times`}: ${problem}`, explanation.fix ?? fix)]
  })
  if (found.length > 0) return found.slice(0, 10)
  return check === 'trust'
    ? ok('no untrusted peer has asserted an identity in the last 15 minutes')
    : ok('no error in the last 15 minutes that a setting may have caused')
}
