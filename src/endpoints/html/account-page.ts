import type { Identity } from '../../auth/identity.ts'
import type { GatewayResponse } from '../../http/response.ts'
import { htmlResponse } from './page.ts'

export type Account = Readonly<{
  identity: Identity
  roles: readonly string[]
  /** Why the user has no access. */
  denial: string | undefined
}>

/** The page with a user's own identity and roles. */
export function accountPage({ identity, roles, denial }: Account): GatewayResponse {
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
  })
}
