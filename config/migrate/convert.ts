import { isDeepStrictEqual } from 'node:util'
import { getFormat } from '../formats/registry.ts'
import { type Key, keys } from '../schema.ts'
import { droppedGoKeys, renamedGoKeys } from './go-keys.ts'
import { collectNotes } from './notes.ts'
import type { Entry } from './read-entries.ts'
import type { MigrationNote } from './remark.ts'

export type ConvertedConfig = {
  readonly settings: ReadonlyMap<string, unknown>
  readonly notes: readonly MigrationNote[]
}

/** A predecessor's entries under our keys. No remark repeats a value: it might be a secret. */
export function convertEntries(entries: readonly Entry[]): ConvertedConfig {
  const settings = new Map<string, unknown>()
  const remarks: MigrationNote[] = []
  // Present names after old ones, so that they win
  const isOld = ({ key }: Entry) => (renamedGoKeys.has(key) ? 0 : 1)
  for (const entry of [...entries].sort((a, b) => isOld(a) - isOld(b))) {
    const dropped = droppedGoKeys.get(entry.key)
    const key = renamedGoKeys.get(entry.key) ?? currentKeys.get(entry.key)
    if (dropped !== undefined) remarks.push({ kind: 'not needed', key: entry.key, text: dropped })
    else if (entry.key === 'debug') convertDebug(entry.value, settings, remarks)
    else if (key === undefined) remarks.push({ kind: 'not needed', key: entry.key, text: 'is no key of elastauth' })
    else if (isSet(entry.value)) convertEntry({ ...entry, key, originalKey: entry.key }, settings, remarks)
  }
  return { settings, notes: [...remarks, ...collectNotes(settings, entries)] }
}

const currentKeys: ReadonlyMap<string, string> = new Map([...keys.keys()].map((key) => [key.toLowerCase(), key]))

/** `key:` and `key: ""` were the same as no key. */
function isSet(value: unknown): boolean {
  return value !== null && value !== ''
}

type RenamedEntry = Entry & { readonly originalKey: string }

function convertEntry(
  { key, value, originalKey }: RenamedEntry,
  settings: Map<string, unknown>,
  remarks: MigrationNote[],
): void {
  const spec = keys.get(key)!
  const tidy = toYamlValue(value, spec)
  if (settings.has(key) && !isDeepStrictEqual(settings.get(key), tidy)) {
    remarks.push({ kind: 'decide', key, text: `stood there twice, with two values; that of ${originalKey} is kept` })
  }
  if (originalKey !== key.toLowerCase())
    remarks.push({ kind: 'changed', key: originalKey, text: `is called ${key} now` })
  settings.set(key, tidy)
}

/** `"true"`, `"0"` and `"a,b"` were as good as a boolean, a number and a list; a file of ours has types. */
function toYamlValue(value: unknown, { format: name }: Key): unknown {
  const format = getFormat(name)
  if (format.yamlType === 'array' && typeof value === 'string') return splitList(value)
  if (format.yamlType === 'string') return typeof value === 'number' ? String(value) : value
  return format.parse(value) ?? value
}

/** Version 2 split at commas, version 1 at blanks. */
function splitList(text: string): string[] {
  const separator = text.includes(',') ? ',' : /\s+/
  return text
    .split(separator)
    .map((item) => item.trim())
    .filter(Boolean)
}

function convertDebug(value: unknown, settings: Map<string, unknown>, remarks: MigrationNote[]): void {
  if (String(value) === 'true' && !settings.has('log_level')) settings.set('log_level', 'debug')
  remarks.push({ kind: 'changed', key: 'debug', text: 'is log_level: debug now' })
}
