/** What the provider knows of somebody, beside `sub`, which is the name they sign in with. */
export type Claims = Readonly<Record<string, unknown>>

/** Those who may sign in, by name. A test may change it while the provider runs: claims are read at each token. */
export type Accounts = Map<string, Claims>

export function createAccounts(): Accounts {
  return new Map<string, Claims>([
    ['alice', describe('alice', 'Alice Åkesson', ['admins', 'staff'])],
    ['bob', describe('bob', 'Bob Burger', ['staff'])],
    ['carol', describe('carol', 'Carol Nogroup', [])],
  ])
}

/** The same groups in the places where this provider's likes put them. */
function describe(username: string, name: string, groups: readonly string[]): Claims {
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

/** Which claims a scope brings: groups come with `profile` too, as half of all providers have it. */
export const claimsOfScopes = {
  openid: ['sub'],
  email: ['email', 'email_verified'],
  profile: ['name', 'preferred_username', 'groups', 'roles', 'realm_access', 'resource_access'],
  groups: ['groups', 'roles', 'realm_access', 'resource_access'],
}
