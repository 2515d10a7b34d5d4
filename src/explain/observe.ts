import type { DecisionObserver } from '../app/handlers.ts'
import type { Identity, RequestIdentity } from '../auth/identity.ts'
import { createMapRoles, type RoleRules } from '../auth/roles.ts'
import { asGatewayError } from '../http/errors.ts'
import type { Explanation, IdentityStep, ProviderStep, RolesStep } from './explanation.ts'

/** What the observed functions have decided so far. */
export type Trace = {
  providers: ProviderStep[]
  identity: IdentityStep | null
  roles: RolesStep | null
  csrf: Explanation['csrf']
  /** Claims of the token that the current provider has read without verifying it. */
  unverified: Readonly<Record<string, unknown>> | undefined
}

/**
 * Wraps the functions that decide about a request, and writes down their results.
 * @param given the identity to decide about, in place of the one that a provider finds
 */
export function createObserver(trace: Trace, rules: RoleRules, given: Identity | undefined): DecisionObserver {
  return {
    provider: (name, identify) => async (context) => {
      trace.unverified = undefined
      try {
        const identified = await identify(context)
        const { username } = identified.identity
        trace.providers.push({ name, outcome: 'found', username, ...unverifiedOf(trace) })
        return identified
      } catch (thrown) {
        const { code: error, detail } = asGatewayError(thrown)
        const outcome = error === 'identity_missing' ? 'missing' : 'rejected'
        trace.providers.push({ name, outcome, error, detail, ...unverifiedOf(trace) })
        throw thrown
      }
    },
    authentication: (options) => ({
      ...options,
      async identify(context) {
        const identified = given === undefined ? await options.identify(context) : withoutCredential(given)
        trace.identity = describeIdentity(identified.identity)
        trace.csrf = identified.isAmbient ? null : 'unnecessary'
        if (identified.ownRoles) trace.roles = { roles: identified.ownRoles, grants: [], whitelist: null }
        return identified
      },
      mapRoles(identity) {
        const grants: RolesStep['grants'][number][] = []
        const whitelist = allowedGroupsOf(identity, rules)
        trace.roles = { roles: [], grants, whitelist }
        const roles = createMapRoles(rules, ({ role, source, isValid: valid }) =>
          grants.push({ role, group: source?.group ?? null, mapping: source?.mapping ?? null, valid }),
        )(identity)
        trace.roles = { roles, grants, whitelist }
        return roles
      },
      isCrossSiteWrite(context) {
        const isCrossSite = options.isCrossSiteWrite(context)
        trace.csrf = isCrossSite ? 'rejected' : 'passed'
        return isCrossSite
      },
    }),
  }
}

function describeIdentity({ username, groups, groupsMissing, email, name }: Identity): IdentityStep {
  return { username, groups: groupsMissing ? null : groups, email: email ?? null, name: name ?? null }
}

function unverifiedOf({ unverified }: Trace) {
  return unverified && { unverified }
}

function withoutCredential(identity: Identity): RequestIdentity {
  return { identity, isAmbient: false }
}

/** Asks `mapRoles` about each group alone, so that the comparison of names is the same. */
function allowedGroupsOf(identity: Identity, { allowedGroups }: RoleRules): string[] | null {
  if (allowedGroups === undefined) return null
  const check = createMapRoles({ mappings: {}, defaultRoles: ['any'], allowedGroups })
  return identity.groups.filter((group) => {
    try {
      return check({ ...identity, groups: [group] }).length > 0
    } catch {
      return false
    }
  })
}
