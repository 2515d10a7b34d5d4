import { escapeControls } from '../http/escape-controls.ts'
import type { Explanation, ForwardStep, ProviderStep, ResponseStep, RolesStep, TrustStep } from './explanation.ts'
import type { StoredUserStep } from './stored-user.ts'

type Line = readonly [step: string, text: string]

/** An explanation as lines for people. Control characters are escaped, because a request may contain any text. */
export function formatExplanation(explanation: Explanation): string {
  const { mode, request, trust, providers, identity, roles, csrf, elasticsearch, forward, response, result } =
    explanation
  const lines: Line[] = [
    ['mode', mode],
    ['request', request === null ? 'not readable' : `${request.method} ${request.target}${hostOf(request.host)}`],
    ...(trust === null ? [] : [['trust', formatTrust(trust)] as const]),
    ...providers.map((provider): Line => ['provider', formatProvider(provider)]),
    ...(identity === null ? [] : [['identity', formatIdentity(identity)] as const]),
    ...formatRoles(roles),
    ...(csrf === null ? [] : [['CSRF', csrfTexts[csrf]] as const]),
    ['access rules', 'none'],
    ...formatStoredUser(elasticsearch),
    ...(forward === null ? [] : [['forward', formatForward(forward)] as const]),
    ['response', formatResponse(response)],
    ['result', result],
  ]
  return lines.map(([step, text]) => `${step.padEnd(14)} ${escapeControls(text)}\n`).join('')
}

function hostOf(host: string | null): string {
  return host === null ? '' : `, host ${host}`
}

function formatTrust({ trusted, peer, entry, reason }: TrustStep): string {
  if (!trusted) return `no: ${reason}`
  return `yes: ${peer} matches ${entry} in trusted_proxies, and ${reason}`
}

function formatProvider({ name, outcome, username, error, detail, unverified }: ProviderStep): string {
  const note = unverified === undefined ? '' : ` (${describeClaims(unverified)})`
  return outcome === 'found' ? `${name}: found ${username}${note}` : `${name}: ${outcome}, ${error}: ${detail}${note}`
}

function describeClaims({ iss, aud, exp }: Readonly<Record<string, unknown>>): string {
  const expiry = typeof exp === 'number' && Math.abs(exp) < 8.64e12 ? new Date(exp * 1000).toISOString() : 'unknown'
  const claims = `iss ${JSON.stringify(iss)}, aud ${JSON.stringify(aud)}, exp ${expiry}`
  return `NOT VERIFIED: neither signature, issuer, audience nor time; ${claims}; --connect verifies the token`
}

function formatIdentity({ username, groups, email, name }: NonNullable<Explanation['identity']>) {
  const groupList = groups === null ? 'no information about groups' : `groups ${JSON.stringify(groups)}`
  return [username, groupList, ...(email ? [`email ${email}`] : []), ...(name ? [`name ${name}`] : [])].join(', ')
}

function formatRoles(step: RolesStep | null): Line[] {
  if (step === null) return []
  const { roles, grants, whitelist } = step
  const allowed = whitelist?.map((group) => JSON.stringify(group)).join(', ') || 'none of the groups'
  return [
    ...(whitelist === null ? [] : [['whitelist', allowed] as const]),
    ...grants.map(({ role, group, mapping, valid }): Line => {
      const from = group === null ? 'default_roles' : `group ${group} by group_mappings ${mapping}`
      return ['grant', `${role} from ${from}${valid ? '' : ' (skipped: not a valid name of a role)'}`]
    }),
    ['roles', roles.length === 0 ? 'none' : roles.join(', ')],
  ]
}

const csrfTexts = {
  passed: 'passed',
  rejected: "rejected: a page of another site made the request, and the user's identity is added to any request",
  unnecessary: 'not needed: no browser adds this credential by itself',
}

function formatStoredUser(step: StoredUserStep | null): Line[] {
  if (step === null) return []
  const { username } = step
  if (!step.read) {
    const use = step.denied ? 'and remove the roles of the user, if it is managed' : 'and decide'
    return [['elasticsearch', `would read the user ${username} ${use}; --connect reads it`]]
  }
  const { exists, decision, reason, until, changes } = step
  const why = reason === null ? '' : ` (${reason})`
  const time = until === null ? '' : ` until ${until}`
  return [
    ['elasticsearch', `the user ${username} ${exists ? 'exists' : 'does not exist'}: ${decision}${why}${time}`],
    ...changes.map(({ field, from, to }): Line => ['change', `${field}: ${format(from)} → ${format(to)}`]),
  ]
}

function format(value: unknown): string {
  if (value === null) return 'none'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function formatForward({ upstream, path, route, authorization, identity_headers }: ForwardStep): string {
  const matched = `route ${route.host ?? 'any host'}${route.path ?? ''}, auth: ${route.auth}`
  const headers = [authorizationTexts[authorization], ...(identity_headers ? ['Remote-User'] : [])].join(', ')
  return `${path} to ${upstream} (${matched}), ${headers}`
}

const authorizationTexts = {
  user: 'with the credential of the user',
  own: "with the client's own credential",
  none: 'without a credential',
}

function formatResponse({ status, error, detail, headers }: ResponseStep): string {
  if (status === null) return "the upstream's"
  if (error !== null) return `${status} ${error}${detail === null ? '' : `: ${detail}`}`
  return `${status} with ${headers.join(', ')}`
}
