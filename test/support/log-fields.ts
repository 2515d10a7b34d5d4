import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type EventRow, eventTable } from '../../src/observability/events.ts'
import { fieldTable } from '../../src/observability/log-fields.ts'

const root = join(import.meta.dirname, '../..')

/** Fields of each line whose names `createLog` does not write as keys of an object. */
const fieldsOfEachLine = ['@timestamp', 'message']

/** The tables, which name fields and actions without logging them. */
const tables = ['src/observability/log-fields.ts', 'src/observability/events.ts']

export type LogFields = Readonly<{
  fields: ReadonlySet<string>
  actions: ReadonlySet<string>
  /** The values of `event.reason` that are not error codes. */
  reasons: readonly string[]
  writeReasons: readonly string[]
}>

/** The names of all fields, the values of `event.action`, and the reasons of events and of writes, that the source can log. */
export function readLogFields(): LogFields {
  // src/tracing/ names attributes of spans in the same form, and src/audit/ fields of the audit log; neither logs fields.
  const paths = globSync('src/**/*.ts', { cwd: root }).filter((path) => !/^src\/(?:tracing|audit)\//.test(path))
  const textOf = (path: string) => readFileSync(join(root, path), 'utf8')
  const source = paths.map(textOf).join('\n')
  const callers = paths
    .filter((path) => !tables.includes(path))
    .map(textOf)
    .join('\n')
  const writesFields = source.replace(textOf('src/observability/log-fields.ts'), '')
  const fields = [...writesFields.matchAll(/'((?!openapi\.)[a-z]+(?:\.[a-z_]+)+)':/g)].map(([, name]) => name!)
  const writeReasons = readWriteReasons()
  const rows = Object.entries<EventRow>(eventTable)
  const actions = [
    ...[...callers.matchAll(/\blogEvent\(\s*\w+,\s*(?:'([a-z_]+)'|`user_\$\{reason\}`)/g)].flatMap(([, name]) =>
      name === undefined ? writeReasons.map((reason) => `user_${reason}`) : [name],
    ),
    ...[...callers.matchAll(/'event\.action': '([a-z_]+)'/g)].map(([, name]) => name!),
    ...rows.filter(([, { errors }]) => errors !== undefined).map(([action]) => action),
  ]
  const reasons = rows.flatMap(([, row]) => Object.keys(row.reasons ?? {}))
  return { fields: new Set([...fields, ...fieldsOfEachLine]), actions: new Set(actions), reasons, writeReasons }
}

/** The names of the fields that only the audit log has, of its own actions, and of the reasons why a list is incomplete. */
export function readAuditNames(): Readonly<{ fields: readonly string[]; words: readonly string[] }> {
  const textOf = (path: string) => readFileSync(join(root, path), 'utf8')
  const source = globSync('src/audit/*.ts', { cwd: root }).map(textOf).join('\n')
  const names = [...source.matchAll(/['"\\]((?:event|http|elastauth|service)\.[a-z_.]+)['"\\]+(?::|\] = )/g)].map(
    ([, name]) => name!,
  )
  const logged = Object.keys(fieldTable)
  const incomplete = /type Incomplete = (.*)/.exec(source)![1]!
  return {
    fields: [...new Set(names)].filter((name) => !logged.includes(name)),
    words: [...`${source.match(/'audit_[a-z_]+'/g)} ${incomplete} 'request_forwarded'`.matchAll(/'(\w+)'/g)].map(
      ([, word]) => word!,
    ),
  }
}

/** The reasons for which elastauth writes a user: a union of strings in the source. */
function readWriteReasons(): string[] {
  const source = readFileSync(join(root, 'src/auth/credentials/lifecycle.ts'), 'utf8')
  const [, union = ''] = /type WriteReason =([^\n]*(?:\n +[^\n]*)*)/.exec(source) ?? []
  return [...union.matchAll(/'(\w+)'/g)].map(([, reason]) => reason!)
}
