import type { Sessions } from './authelia.ts'

const departments = Array.from({ length: 505 }, (_, i) => `department-${i}-of-the-company`)

/** The people of these tests, by their sessions. */
export const sessions: Sessions = {
  bob: { username: 'neighbour-bob', groups: 'users', email: 'bob@example.com', name: 'Bořivoj Ólafsson' },
  alice: { username: 'neighbour-alice', groups: 'users,admins' },
  crowded: { username: 'neighbour-crowded', groups: ['users', ...departments].join(',') },
  long: { username: `neighbour-${'l'.repeat(245)}`, groups: 'users' },
  groupless: { username: 'neighbour-groupless' },
  guest: { username: 'neighbour-guest', groups: 'guests' },
  root: { username: 'elastic', groups: 'admins' },
}

/** The last is for the placeholders that a proxy may leave in a header. */
export const groupMappings = { users: ['viewer'], admins: ['kibana_admin'], '*{*': ['superuser'] }
