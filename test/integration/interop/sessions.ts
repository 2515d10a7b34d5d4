import type { Sessions } from './fake-authelia.ts'

const departments = Array.from({ length: 505 }, (_, i) => `department-${i}-of-the-company`)

/** The users of these tests by the value of their session cookie. */
export const sessions: Sessions = {
  bob: { username: 'interop-bob', groups: 'users', email: 'bob@example.com', name: 'Bořivoj Ólafsson' },
  alice: { username: 'interop-alice', groups: 'users,admins' },
  crowded: { username: 'interop-crowded', groups: ['users', ...departments].join(',') },
  long: { username: `interop-${'l'.repeat(247)}`, groups: 'users' },
  groupless: { username: 'interop-groupless' },
  guest: { username: 'interop-guest', groups: 'guests' },
  root: { username: 'elastic', groups: 'admins' },
}

/** The last one matches a placeholder that a misconfigured proxy may leave in a header: it must not give anyone a role. */
export const groupMappings = { users: ['viewer'], admins: ['kibana_admin'], '*{*': ['superuser'] }
