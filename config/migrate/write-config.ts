import { Document } from 'yaml'
import { keys } from '../schema.ts'
import type { ConvertedConfig } from './convert.ts'
import type { MigrationNote } from './remark.ts'

/** Our YAML, in the schema's order, with the remarks at its head. It holds the secrets that the old file held. */
export function writeConfig({ settings, notes }: ConvertedConfig, from: string): string {
  const document = new Document({})
  for (const key of keys.keys()) {
    if (settings.has(key)) document.setIn(key.split('.'), document.createNode(settings.get(key)))
  }
  const head = [
    `# From ${describeFile(from)} by \`elastauth import\`.`,
    ...formatNotes(notes).map((line) => `# ${line}`),
  ]
  return `${head.join('\n')}\n\n${settings.size === 0 ? '' : document.toString({ lineWidth: 0 })}`
}

/** One line a remark, in a column each for kind and key. */
export function formatNotes(remarks: readonly MigrationNote[]): string[] {
  const kinds: readonly MigrationNote['kind'][] = ['decide', 'changed', 'not needed']
  const sorted = kinds.flatMap((kind) => remarks.filter((remark) => remark.kind === kind))
  const width = Math.max(...sorted.map(({ key }) => nameOf(key).length))
  return sorted.map(({ kind, key, text }) => `${kind.padEnd(10)}  ${nameOf(key).padEnd(width)}  ${text}`)
}

/** A key from somebody's file. What does not look like one may be anything, a secret too. */
function nameOf(key: string): string {
  return /^[\w.-]{1,64}$/.test(key) ? key : '(what is no name)'
}

/** No line of ours may begin inside it, and no terminal obey it. */
function describeFile(path: string): string {
  return path
    .split('/')
    .at(-1)!
    .replace(/[^ -~]/g, '?')
}
