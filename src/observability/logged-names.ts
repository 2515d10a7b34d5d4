import type { Access } from '../auth/credentials/options.ts'
import { escapeControls } from '../http/escape-controls.ts'
import type { LogFields } from './log-fields.ts'

/** Maximum number of names in a list. */
const maxNames = 50
/** Maximum length of a name in characters. */
const maxNameLength = 255
/**
 * Maximum size of all lists of a line in bytes, so that the line is short enough for an atomic write to a pipe
 * (log-output.ts).
 */
const maxBytes = 2800

/** The roles and groups of a user who signs in. */
export function signInNames({ roles, groups }: Access): LogFields {
  return { 'user.roles': boundNames(roles, maxBytes / 4), 'user.group.name': boundNames(groups, (maxBytes * 3) / 4) }
}

/** The former and the new roles and groups of a user that was written, if they differ. */
export function writtenNames({
  former,
  current,
}: Readonly<{ former: Access | undefined; current: Access }>): LogFields {
  if (former !== undefined && isSame(former.roles, current.roles) && isSame(former.groups, current.groups)) return {}
  return {
    ...(former && {
      'user.roles': boundNames(former.roles, maxBytes / 8),
      'user.group.name': boundNames(former.groups, (maxBytes * 3) / 8),
    }),
    'user.changes.roles': boundNames(current.roles, maxBytes / 8),
    'user.changes.group.name': boundNames(current.groups, (maxBytes * 3) / 8),
  }
}

/** The first names that fit. */
function boundNames(names: readonly string[], maxListBytes: number): string[] {
  const bound: string[] = []
  let bytes = 0
  for (const name of names.slice(0, maxNames)) {
    const text = boundName(name)
    bytes += Buffer.byteLength(JSON.stringify(text)) + 1
    if (bytes > maxListBytes) break
    bound.push(text)
  }
  return bound
}

/** The beginning of a name whose length and characters have not been checked yet, with escaped control characters. */
export function boundName(name: string): string {
  return escapeControls(name.slice(0, maxNameLength).toWellFormed())
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return new Set(a).symmetricDifference(new Set(b)).size === 0
}
