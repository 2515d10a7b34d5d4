import { isDeepStrictEqual } from 'node:util'
import { type Fault, formatLocation } from '../faults.ts'
import { getFormat } from '../formats/registry.ts'
import { keys } from '../schema.ts'
import type { Layer, Setting } from './layer.ts'

/** Maps the Go elastauth's flat keys to current keys. */
export const legacyKeys: ReadonlyMap<string, string> = new Map([
  ['elasticsearch_host', 'elasticsearch.hosts'],
  ['elasticsearch_username', 'elasticsearch.username'],
  ['elasticsearch_password', 'elasticsearch.password'],
  ['elasticsearch_dry_run', 'elasticsearch.dry_run'],
  ['redis_host', 'cache.redis_host'],
  ['redis_db', 'cache.redis_db'],
  ['cache_type', 'cache.type'],
  ['cache_expire', 'cache.expiration'],
  ['headers_username', 'headers.username'],
  ['headers_groups', 'headers.groups'],
  ['headers_email', 'headers.email'],
  ['headers_name', 'headers.name'],
])

/** Whether a current or legacy key is a secret. */
export function isSensitiveKey(key: string): boolean {
  return keys.get(legacyKeys.get(key) ?? key)?.sensitive === true
}

/** Replaces legacy keys with current keys. If a source sets both names of a key, the values must be equal. */
export function renameLegacyKeys(layer: Layer): Layer {
  const settingsByKey = new Map(layer.settings.map((setting) => [setting.key, setting]))
  const faults: Fault[] = []
  const warnings: string[] = []
  const settings = layer.settings.flatMap((setting): Setting[] => {
    const key = legacyKeys.get(setting.key)
    if (key === undefined) return [setting]
    const location = formatLocation(setting.location)
    const name = setting.location.source === undefined ? `${setting.key} ` : ''
    warnings.push(`${location}: ${name}is an old name: use ${key} instead`)
    const renamed = {
      ...setting,
      key,
      value: setting.key === 'elasticsearch_host' ? asList(setting.value) : setting.value,
    }
    const current = settingsByKey.get(key)
    if (current === undefined) return [renamed]
    if (!isSame(renamed, current)) {
      const problem = `contradicts ${key} (${formatLocation(current.location)})`
      faults.push({ ...setting.location, key: setting.key, problem, fix: 'remove the old name' })
    }
    return []
  })
  return { settings, faults: [...layer.faults, ...faults], warnings: [...layer.warnings, ...warnings] }
}

/** Converts the single URL of a legacy key to a list. */
function asList(value: unknown): unknown {
  return typeof value === 'string' ? [value] : value
}

function isSame(a: Setting, b: Setting): boolean {
  const format = getFormat(keys.get(b.key)!.format)
  return isDeepStrictEqual(format.parse(a.value) ?? a.value, format.parse(b.value) ?? b.value)
}
