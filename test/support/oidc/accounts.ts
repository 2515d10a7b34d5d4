/** The claims of a user except `sub`, which is the username. */
export type Claims = Readonly<Record<string, unknown>>

/** The users of the provider, by username. A test may change them at any time: they are read for each token. */
export type Accounts = Map<string, Claims>

export function createAccounts(): Accounts {
  return new Map<string, Claims>([
    ['alice', claimsOf('alice', 'Alice Åkesson', ['admins', 'staff'])],
    ['bob', claimsOf('bob', 'Bob Burger', ['staff'])],
    ['carol', claimsOf('carol', 'Carol Nogroup', [])],
  ])
}

/** The groups are in every claim that a well-known provider uses for them. */
function claimsOf(username: string, name: string, groups: readonly string[]): Claims {
  return Object.freeze({
    preferred_username: username,
    name,
    email: `${username}@example.com`,
    email_verified: true,
    groups,
    roles: groups,
    realm_access: { roles: groups },
    resource_access: { kibana: { roles: groups } },
  })
}

/** The claims of each scope. `profile` includes the groups, as at many providers. */
export const claimsOfScopes = {
  openid: ['sub'],
  email: ['email', 'email_verified'],
  profile: ['name', 'preferred_username', 'groups', 'roles', 'realm_access', 'resource_access'],
  groups: ['groups', 'roles', 'realm_access', 'resource_access'],
}
