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

/** A key and its value in a file of the Go elastauth. The key is in lower case: viper, which read the file, ignored case. */
export type Entry = { readonly key: string; readonly value: unknown }

const maxFileBytes = 1_048_576

/**
 * The entries of a `config.yml` or `.env` file of the Go elastauth.
 * @throws {ConfigError} if the file cannot be read; the message does not quote its content
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
  return environmentFile.test(file) || assignment.test(text)
}

/** `.env`, `production.env`, `.env.local` */
const environmentFile = /\.env(?:\.[^/]*)?$/
/** A line such as `ELASTAUTH_LISTEN=:5000`, with or without `export` */
const assignment = /^\s*(?:export\s+)?ELASTAUTH_\w+=/m

function readYaml(file: string, text: string): Entry[] {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, prettyErrors: false })
  const faults = checkDocument(document, file, lines)
  if (faults.length > 0) throw new ConfigError(faults)
  const content: unknown = document.toJS()
  if (!isPlainMap(content)) {
    const fix = 'name the config.yml of the Go elastauth, or its .env'
    throw new ConfigError([{ file, key: 'FILE', problem: 'contains no settings', fix }])
  }
  if (isPlainMap(content.services)) {
    const fix = 'copy its ELASTAUTH_… variables into a file .env, one NAME=value per line, and import that file'
    throw new ConfigError([{ file, key: 'FILE', problem: 'is a Compose file', fix }])
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

/** Whether a key's value is a map with arbitrary names, as for `group_mappings`, and not a section. */
function isMapKey(key: string): boolean {
  const spec = keys.get(key)
  return spec !== undefined && getFormat(spec.format).yamlType === 'object'
}

/** In the environment, a map had one variable per entry: `ELASTAUTH_GROUP_MAPPINGS_ADMINS=superuser`. */
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
    // A .env file may contain variables for other services of the Compose file.
    if (!name.startsWith('ELASTAUTH_')) return []
    const mapVariable = mapVariables.find(({ prefix }) => name.startsWith(prefix))
    if (mapVariable !== undefined) {
      const { key, prefix, nameOf } = mapVariable
      const item = key === 'group_mappings' ? value.split(',').map((role) => role.trim()) : value
      maps.set(key, { ...maps.get(key), [nameOf(name.slice(prefix.length))]: item })
      return []
    }
    if (name === 'ELASTAUTH_ELASTICSEARCH_HOSTS_0') return [{ key: 'elasticsearch.hosts', value }]
    return [{ key: (keyOf.get(name) ?? name.replace('ELASTAUTH_', '')).toLowerCase(), value }]
  })
  return [...entries, ...[...maps].map(([key, value]) => ({ key, value }))]
}
