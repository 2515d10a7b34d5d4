import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** Fields of each line whose names `createLog` does not write as keys of an object. */
const fieldsOfEachLine = ['@timestamp', 'message']

export type LogFields = Readonly<{
  fields: ReadonlySet<string>
  actions: ReadonlySet<string>
  writeReasons: readonly string[]
}>

/** The names of all fields, the values of `event.action`, and the reasons of writes, that the source can log. */
export function readLogFields(): LogFields {
  const source = globSync('src/**/*.ts', { cwd: root })
    .map((path) => readFileSync(join(root, path), 'utf8'))
    .join('\n')
  const fields = [...source.matchAll(/'((?!openapi\.)[a-z]+(?:\.[a-z_]+)+)':/g)].map(([, name]) => name!)
  const writeReasons = readWriteReasons()
  const actions = [...source.matchAll(/'event\.action': (?:'([a-z_]+)'|`user_\$\{reason\}`)/g)].flatMap(([, name]) =>
    name === undefined ? writeReasons.map((reason) => `user_${reason}`) : [name],
  )
  return { fields: new Set([...fields, ...fieldsOfEachLine]), actions: new Set(actions), writeReasons }
}

/** The reasons for which elastauth writes a user: a union of strings in the source. */
function readWriteReasons(): string[] {
  const source = readFileSync(join(root, 'src/auth/credentials/lifecycle.ts'), 'utf8')
  const [, union = ''] = /type WriteReason =([^\n]*(?:\n +[^\n]*)*)/.exec(source) ?? []
  return [...union.matchAll(/'(\w+)'/g)].map(([, reason]) => reason!)
}
