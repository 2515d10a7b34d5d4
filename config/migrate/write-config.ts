import { Document } from 'yaml'
import { keys } from '../schema.ts'
import type { ConvertedConfig } from './convert.ts'
import type { MigrationNote } from './notes.ts'

/**
 * Writes the converted settings as YAML, in the order of the schema and with the notes as comments. The result contains
 * the original file's secrets.
 */
export function writeConfig({ settings, notes }: ConvertedConfig, from: string): string {
  const document = new Document({})
  for (const key of keys.keys()) {
    if (settings.has(key)) document.setIn(key.split('.'), document.createNode(settings.get(key)))
  }
  const header = [
    `# From ${describeFile(from)} by \`elastauth import\`.`,
    ...formatNotes(notes).map((line) => `# ${line}`),
  ]
  return `${header.join('\n')}\n\n${settings.size === 0 ? '' : document.toString({ lineWidth: 0 })}`
}

/** One line per note, with columns for its kind and key. */
export function formatNotes(notes: readonly MigrationNote[]): string[] {
  const kinds: readonly MigrationNote['kind'][] = ['decide', 'changed', 'not needed']
  const sorted = kinds.flatMap((kind) => notes.filter((note) => note.kind === kind))
  const width = Math.max(...sorted.map(({ key }) => nameOf(key).length))
  return sorted.map(({ kind, key, text }) => `${kind.padEnd(10)}  ${nameOf(key).padEnd(width)}  ${text}`)
}

/**
 * The name of a key in the original file. Text that does not look like a key is omitted, because it might be a secret.
 */
function nameOf(key: string): string {
  return /^[\w.-]{1,64}$/.test(key) ? key : '(not a key)'
}

/** The file name without line breaks, which could end the comment, and without terminal escape sequences. */
function describeFile(path: string): string {
  return path
    .split('/')
    .at(-1)!
    .replace(/[^ -~]/g, '?')
}
