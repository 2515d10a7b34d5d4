import { userPages } from '../../auth/credentials/user-pages.ts'
import { escapeControls } from '../../http/escape-controls.ts'
import { joinNames, print, toJson } from '../print.ts'
import type { Connections } from './connect.ts'
import { describeUser, type ManagedUser } from './describe.ts'

/** `elastauth users list`: one line per managed user, or one JSON object per line. Prints each page as it arrives. */
export async function listUsers(
  { directory, keys }: Pick<Connections, 'directory' | 'keys'>,
  { json }: Readonly<{ json: boolean }>,
): Promise<0> {
  if (!json) await print(header)
  for await (const page of userPages(directory.page)) {
    const users = page.flatMap((user) => describeUser(user.username, user, keys) ?? [])
    await print(users.map((user) => (json ? `${toJson(user)}\n` : lineOf(user))).join(''))
  }
  return 0
}

const columns: readonly (readonly [title: string, width: number, cell: (user: ManagedUser) => string])[] = [
  ['USER', 24, ({ username }) => escapeControls(username)],
  ['STATE', 21, ({ state }) => state],
  ['LAST USE', 24, ({ last_use }) => last_use],
  ['NOT BEFORE', 24, ({ not_before }) => not_before ?? '-'],
  ['KEY', 8, ({ key_known }) => (key_known ? 'known' : 'unknown')],
  ['ROLES', 24, ({ roles }) => joinNames(roles)],
  ['GROUPS', 0, ({ groups }) => joinNames(groups)],
]

const header = `${columns.map(([title, width]) => title.padEnd(width)).join(' ')}\n`

function lineOf(user: ManagedUser): string {
  return `${columns.map(([, width, cell]) => cell(user).padEnd(width)).join(' ')}\n`
}
