import { readFileSync, statSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { LineCounter, parseDocument } from 'yaml'
import { ConfigError } from '../faults.ts'
import { isPlainMap } from '../formats/format.ts'
import { getFormat } from '../formats/registry.ts'
import { envNameOf, keys, sections } from '../schema.ts'
import { checkDocument } from '../sources/yaml-document.ts'
import { unreadableFileFault } from '../sources/yaml-files.ts'
import { renamedGoKeys } from './go-keys.ts'

/** What one line of a predecessor's file sets: its key in lower case, as its reader (viper) compared them. */
export type Entry = { readonly key: string; readonly value: unknown }

const maxFileBytes = 1_048_576

/**
 * The entries of a predecessor's `config.yml`, or of the variables in its `.env`.
 * @throws {ConfigError} where the file cannot be read; the message quotes nothing of it
 */
export function readEntries(file: string): Entry[] {
  const text = readText(file)
  return isEnvironment(file, text) ? readVariables(text) : readYaml(file, text)
}

function readText(file: string): string {
  try {
    if (statSync(file).size > maxFileBytes) throw new Error('longer than 1 MiB')
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError([{ ...unreadableFileFault(file, error), key: 'FILE' }])
  }
}

function isEnvironment(file: string, text: string): boolean {
  return /\.env(\.[^/]*)?$/.test(file) || /^\s*(export\s+)?ELASTAUTH_\w+=/m.test(text)
}

function readYaml(file: string, text: string): Entry[] {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, prettyErrors: false })
  const faults = checkDocument(document, file, lines)
  if (faults.length > 0) throw new ConfigError(faults)
  const content: unknown = document.toJS()
  if (!isPlainMap(content)) {
    const fix = 'name the config.yml of the former elastauth, or its .env'
    throw new ConfigError([{ file, key: 'FILE', problem: 'holds no settings', fix }])
  }
  if (isPlainMap(content.services)) {
    const fix = 'copy the ELASTAUTH_… variables from it into a file .env, one NAME=value a line, and name that'
    throw new ConfigError([{ file, key: 'FILE', problem: 'is a compose file', fix }])
  }
  return flatten(content, '')
}

function flatten(map: Record<string, unknown>, prefix: string): Entry[] {
  return Object.entries(map).flatMap(([name, value]): Entry[] => {
    const key = `${prefix}${name}`.toLowerCase()
    if (value === null && sections.has(key)) return []
    return isPlainMap(value) && !isMapKey(key) ? flatten(value, `${key}.`) : [{ key, value }]
  })
}

/** `group_mappings` and the like hold names that are not ours to take apart. */
function isMapKey(key: string): boolean {
  const spec = keys.get(key)
  return spec !== undefined && getFormat(spec.format).yamlType === 'object'
}

/** Maps came one entry a variable: `ELASTAUTH_GROUP_MAPPINGS_ADMINS=superuser`. */
const mapVariables = [
  { prefix: 'ELASTAUTH_GROUP_MAPPINGS_', key: 'group_mappings', nameOf: (rest: string) => rest.toLowerCase() },
  {
    prefix: 'ELASTAUTH_OIDC_CUSTOM_HEADERS_',
    key: 'oidc.custom_headers',
    nameOf: (rest: string) => rest.replaceAll('_', '-'),
  },
] as const

function readVariables(text: string): Entry[] {
  const keyOf = new Map([...renamedGoKeys.keys(), ...keys.keys()].map((key) => [envNameOf(key), key]))
  const maps = new Map<string, Record<string, unknown>>()
  const entries = Object.entries(parseEnv(text)).flatMap(([name, value = '']): Entry[] => {
    // A .env is the whole compose file's
    if (!name.startsWith('ELASTAUTH_')) return []
    const spread = mapVariables.find(({ prefix }) => name.startsWith(prefix))
    if (spread !== undefined) {
      const { key, prefix, nameOf } = spread
      const item = key === 'group_mappings' ? value.split(',').map((role) => role.trim()) : value
      maps.set(key, { ...maps.get(key), [nameOf(name.slice(prefix.length))]: item })
      return []
    }
    if (name === 'ELASTAUTH_ELASTICSEARCH_HOSTS_0') return [{ key: 'elasticsearch.hosts', value }]
    return [{ key: (keyOf.get(name) ?? name.replace('ELASTAUTH_', '')).toLowerCase(), value }]
  })
  return [...entries, ...[...maps].map(([key, value]) => ({ key, value }))]
}
