import { isDeepStrictEqual } from 'node:util'
import { getFormat } from '../formats/registry.ts'
import { type Key, keys } from '../schema.ts'
import { droppedGoKeys, renamedGoKeys } from './go-keys.ts'
import { collectNotes, type MigrationNote } from './notes.ts'
import type { Entry } from './read-entries.ts'

export type ConvertedConfig = {
  readonly settings: ReadonlyMap<string, unknown>
  readonly notes: readonly MigrationNote[]
}

/** Converts the entries of a Go elastauth to current keys. The notes contain no values, which might be secrets. */
export function convertEntries(entries: readonly Entry[]): ConvertedConfig {
  const settings = new Map<string, unknown>()
  const notes: MigrationNote[] = []
  // Current names are sorted after legacy names, so that they take precedence.
  const rank = ({ key }: Entry) => (renamedGoKeys.has(key) ? 0 : 1)
  for (const entry of [...entries].sort((a, b) => rank(a) - rank(b))) convertEntry(entry, settings, notes)
  return { settings, notes: [...notes, ...collectNotes(settings, entries)] }
}

const currentKeys: ReadonlyMap<string, string> = new Map([...keys.keys()].map((key) => [key.toLowerCase(), key]))

function convertEntry(entry: Entry, settings: Map<string, unknown>, notes: MigrationNote[]): void {
  const reason = droppedGoKeys.get(entry.key)
  const key = renamedGoKeys.get(entry.key) ?? currentKeys.get(entry.key)
  if (reason !== undefined) notes.push({ kind: 'not needed', key: entry.key, text: reason })
  else if (entry.key === 'debug') convertDebug(entry.value, settings, notes)
  else if (key === undefined) notes.push({ kind: 'not needed', key: entry.key, text: 'is not a key of elastauth' })
  else if (isSet(entry.value)) convertSetting(entry, key, settings, notes)
}

/** Whether a key is set. To the Go elastauth, `key:` and `key: ""` were the same as a missing key. */
function isSet(value: unknown): boolean {
  return value !== null && value !== ''
}

function convertSetting(entry: Entry, key: string, settings: Map<string, unknown>, notes: MigrationNote[]): void {
  const value = toYamlValue(entry.value, keys.get(key)!)
  if (settings.has(key) && !isDeepStrictEqual(settings.get(key), value)) {
    notes.push({ kind: 'decide', key, text: `was set twice, to two values: the value of ${entry.key} is kept` })
  }
  if (entry.key !== key.toLowerCase()) notes.push({ kind: 'changed', key: entry.key, text: `is now called ${key}` })
  settings.set(key, value)
}

/** The Go elastauth accepted `"true"`, `"0"` and `"a,b"` as a boolean, a number and a list; YAML types are required now. */
function toYamlValue(value: unknown, { format: name }: Key): unknown {
  const format = getFormat(name)
  if (format.yamlType === 'array' && typeof value === 'string') return splitList(value)
  if (format.yamlType === 'string') return typeof value === 'number' ? String(value) : value
  return format.parse(value) ?? value
}

/** Version 2 split lists at commas, version 1 at whitespace. */
function splitList(text: string): string[] {
  const separator = text.includes(',') ? ',' : /\s+/
  return text
    .split(separator)
    .map((item) => item.trim())
    .filter(Boolean)
}

function convertDebug(value: unknown, settings: Map<string, unknown>, notes: MigrationNote[]): void {
  if (String(value) === 'true' && !settings.has('log_level')) settings.set('log_level', 'debug')
  notes.push({ kind: 'changed', key: 'debug', text: 'is now log_level: debug' })
}
