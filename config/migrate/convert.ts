import { isDeepStrictEqual } from 'node:util'
import { formatNamed } from '../formats/registry.ts'
import { type Key, keys } from '../schema.ts'
import { droppedKeys, oldKeys } from './go-keys.ts'
import { adviseOn } from './notes.ts'
import type { Entry } from './read-entries.ts'
import type { Remark } from './remark.ts'

export type Converted = { readonly settings: ReadonlyMap<string, unknown>; readonly remarks: readonly Remark[] }

/** A predecessor's entries under our keys. No remark repeats a value: it might be a secret. */
export function convert(entries: readonly Entry[]): Converted {
  const settings = new Map<string, unknown>()
  const remarks: Remark[] = []
  // Present names after old ones, so that they win
  const isOld = ({ key }: Entry) => (oldKeys.has(key) ? 0 : 1)
  for (const entry of [...entries].sort((a, b) => isOld(a) - isOld(b))) {
    const dropped = droppedKeys.get(entry.key)
    const key = oldKeys.get(entry.key) ?? currentKeys.get(entry.key)
    if (dropped !== undefined) remarks.push({ kind: 'not needed', key: entry.key, text: dropped })
    else if (entry.key === 'debug') takeDebug(entry.value, settings, remarks)
    else if (key === undefined) remarks.push({ kind: 'not needed', key: entry.key, text: 'is no key of elastauth' })
    else if (isSet(entry.value)) take({ ...entry, key, was: entry.key }, settings, remarks)
  }
  return { settings, remarks: [...remarks, ...adviseOn(settings, entries)] }
}

const currentKeys: ReadonlyMap<string, string> = new Map([...keys.keys()].map((key) => [key.toLowerCase(), key]))

/** `key:` and `key: ""` were the same as no key. */
function isSet(value: unknown): boolean {
  return value !== null && value !== ''
}

type Taken = Entry & { readonly was: string }

function take({ key, value, was }: Taken, settings: Map<string, unknown>, remarks: Remark[]): void {
  const spec = keys.get(key)!
  const tidy = tidied(value, spec)
  if (settings.has(key) && !isDeepStrictEqual(settings.get(key), tidy)) {
    remarks.push({ kind: 'decide', key, text: `stood there twice, with two values; that of ${was} is kept` })
  }
  if (was !== key.toLowerCase()) remarks.push({ kind: 'changed', key: was, text: `is called ${key} now` })
  settings.set(key, tidy)
}

/** `"true"`, `"0"` and `"a,b"` were as good as a boolean, a number and a list; a file of ours has types. */
function tidied(value: unknown, { format: name }: Key): unknown {
  const format = formatNamed(name)
  if (format.yaml === 'array' && typeof value === 'string') return splitList(value)
  if (format.yaml === 'string') return typeof value === 'number' ? String(value) : value
  return format.read(value) ?? value
}

/** Version 2 split at commas, version 1 at blanks. */
function splitList(text: string): string[] {
  const separator = text.includes(',') ? ',' : /\s+/
  return text
    .split(separator)
    .map((item) => item.trim())
    .filter(Boolean)
}

function takeDebug(value: unknown, settings: Map<string, unknown>, remarks: Remark[]): void {
  if (String(value) === 'true' && !settings.has('log_level')) settings.set('log_level', 'debug')
  remarks.push({ kind: 'changed', key: 'debug', text: 'is log_level: debug now' })
}
