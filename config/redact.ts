import { maskUrlCredentials } from './faults.ts'
import { isPlainMap } from './formats/format.ts'
import { type Config, keys } from './schema.ts'

const mask = '********'

/** The configuration for output, in which secrets and credentials in URLs are masked. */
export function redactConfig(config: Config): unknown {
  return redact(config, '')
}

function redact(value: unknown, key: string): unknown {
  if (keys.get(key)?.sensitive) return isUnset(value) ? value : mask
  if (typeof value === 'string') return value.includes('://') ? maskUrlCredentials(value) : value
  if (Array.isArray(value)) return value.map((item) => redact(item, `${key}[]`))
  if (!isPlainMap(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, child]) => {
      // The values of a route's headers are masked, because they often contain a credential for the upstream.
      if (key === 'proxy.routes[]' && name === 'headers' && isPlainMap(child)) return [name, maskValues(child)]
      return [name, redact(child, key === '' ? name : `${key}.${name}`)]
    }),
  )
}

function isUnset(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0)
}

function maskValues(map: Record<string, unknown>): unknown {
  return Object.fromEntries(Object.keys(map).map((name) => [name, mask]))
}
