import type { Identity } from '../../auth/identity.ts'
import type { GatewayResponse } from '../../http/response.ts'
import type { UserSession } from '../../sessions/user-sessions.ts'
import type { ListForm, ListItem } from './list-form.ts'
import { htmlResponse } from './page.ts'

export type Account = Readonly<{
  identity: Identity
  roles: readonly string[]
  /** Why the user has no access. */
  denial: string | undefined
  /** The user's sessions; undefined if the page does not show them. */
  sessions?: readonly UserSession[] | undefined
  /** The id of the session that requests the page. */
  currentId?: string | undefined
  /** Milliseconds since 1970; required with `sessions`. */
  now?: number
}>

/** More sessions than one person has: only usernames that many people share have so many. */
const maxShown = 100

/** The page with a user's own identity, roles and sessions. */
export function accountPage({ identity, roles, denial, sessions, currentId, now = 0 }: Account): GatewayResponse {
  const { username, name, email, groups } = identity
  const rows: [term: string, text: string | undefined][] = [
    ['Name', name],
    ['Email address', email],
    ['Groups', groups.join(', ') || 'none'],
    ['Roles', roles.join(', ') || 'none'],
  ]
  return htmlResponse({
    status: 200,
    heading: `You are signed in as ${username}`,
    paragraphs: denial === undefined ? [] : [`You have no access: ${denial}.`],
    definitions: rows.flatMap(([term, text]) => (text === undefined ? [] : [{ term, text }])),
    links: [{ to: '/', text: 'Open the service' }],
    ...(sessions && { list: listOf(sessions, currentId, now), formAction: "'self'" }),
  })
}

function listOf(sessions: readonly UserSession[], currentId: string | undefined, now: number): ListForm {
  const sorted = sessions.toSorted((a, b) => Number(b.id === currentId) - Number(a.id === currentId))
  const shown = sorted.slice(0, maxShown)
  const heading = shown.length === sorted.length ? 'Your sessions' : `${maxShown} of your ${sorted.length} sessions`
  const hasOthers = sorted.some(({ id }) => id !== currentId)
  return {
    heading,
    action: '/elastauth/account',
    items: shown.map((session) => itemOf(session, session.id === currentId, now)),
    buttons: hasOthers
      ? [
          { name: 'end', value: 'others', text: 'End all other sessions' },
          { name: 'end', value: 'all', text: 'Sign out everywhere' },
        ]
      : [],
  }
}

function itemOf({ id, signedInAt, usedAt, browser }: UserSession, isCurrent: boolean, now: number): ListItem {
  const title = browser ?? 'Unknown browser'
  const signedIn = signedInAt === undefined ? 'Sign-in unknown' : `Signed in ${formatTime(signedInAt)}`
  const used = isCurrent ? 'in use now' : `last used ${usedAt === undefined ? 'unknown' : formatAge(now - usedAt)}`
  return {
    title,
    mark: isCurrent ? 'this session' : undefined,
    text: `${signedIn}, ${used}`,
    control: isCurrent
      ? { to: '/elastauth/logout', text: 'Sign out' }
      : { name: 'end', value: id, text: 'End', label: `End: ${title}, ${signedIn}, ${used}` },
  }
}

/** In UTC, because the page has no script that could ask for the time zone. */
function formatTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

const units: readonly [name: string, milliseconds: number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
]

function formatAge(ageMs: number): string {
  for (const [name, milliseconds] of units) {
    const count = Math.floor(ageMs / milliseconds)
    if (count > 0) return `${count} ${name}${count === 1 ? '' : 's'} ago`
  }
  return 'less than a minute ago'
}
