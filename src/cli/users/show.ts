import { escapeControls } from '../../http/escape-controls.ts'
import { joinNames, print, toJson } from '../print.ts'
import type { Connections } from './connect.ts'
import { describeUser, toIso } from './describe.ts'

/** `elastauth users show NAME`: one user with API keys and sessions. */
export async function showUser(
  { directory, keys, apiKeys, sessions }: Connections,
  username: string,
  { json }: Readonly<{ json: boolean }>,
): Promise<0 | 1> {
  const stored = await directory.get(username)
  const user = stored && describeUser(username, stored, keys)
  if (stored === undefined || user === undefined) {
    const problem = stored ? 'elastauth does not manage the user' : 'there is no user'
    console.error(`elastauth: ${problem} ${escapeControls(username)}${stored ? '' : ' in Elasticsearch'}`)
    return 1
  }
  const active = await apiKeys.list(username)
  const found = await sessions?.list(username)
  const details = {
    ...user,
    name: stored.full_name ?? null,
    email: stored.email ?? null,
    api_keys: active.map(({ id, name }) => ({ id, name })),
    // The names of the API for administrators.
    sessions: found?.map(({ signedInAt, usedAt, browser = null }) => ({
      signed_in_at: orNull(signedInAt),
      last_used_at: orNull(usedAt),
      browser,
    })),
  }
  await print(json ? `${toJson(details)}\n` : toText(details))
  return 0
}

function orNull(time: number | undefined): string | null {
  return time === undefined ? null : toIso(time)
}

function toText({ api_keys, sessions, roles, groups, key_known, ...user }: Details): string {
  const rows: [string, string | null][] = [
    ['user', user.username],
    ['name', user.name],
    ['email', user.email],
    ['state', user.state],
    ['last use', user.last_use],
    ['not before', user.not_before],
    ['key', key_known ? 'known' : 'unknown: run this with the secret_key of the running replicas'],
    ['roles', joinNames(roles)],
    ['groups', joinNames(groups)],
    ['API keys', `${api_keys.length} active`],
    ...api_keys.map(({ id, name }): [string, string] => ['', `${id} ${name}`]),
    ['sessions', sessions === undefined ? 'in the memory of the replicas, or none' : String(sessions.length)],
    ...(sessions ?? []).map(({ signed_in_at, last_used_at, browser }): [string, string] => [
      '',
      `signed in ${signed_in_at ?? '?'}, last used ${last_used_at ?? '?'}${browser === null ? '' : `, ${browser}`}`,
    ]),
  ]
  return rows.map(([label, value]) => `${label.padEnd(12)}${escapeControls(value ?? '-')}\n`).join('')
}

type Details = NonNullable<ReturnType<typeof describeUser>> &
  Readonly<{
    name: string | null
    email: string | null
    api_keys: readonly Readonly<{ id: string; name: string }>[]
    sessions:
      | readonly Readonly<{ signed_in_at: string | null; last_used_at: string | null; browser: string | null }>[]
      | undefined
  }>
