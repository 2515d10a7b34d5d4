import type { Fault } from '../faults.ts'
import { getFormat } from '../formats/registry.ts'
import { envNameOf, keys } from '../schema.ts'
import { suggest } from '../suggest.ts'
import type { Layer, Setting } from './layer.ts'

/** The keys that can be flags: all except secrets and maps. */
export const flagKeys: readonly string[] = [...keys].flatMap(([key, { sensitive, format }]) =>
  sensitive || getFormat(format).yamlType === 'object' ? [] : [key],
)

export function readFlags(flags: { readonly [key: string]: string }): Layer {
  const settings: Setting[] = []
  const faults: Fault[] = []
  for (const [key, value] of Object.entries(flags)) {
    const fault = findFlagFault(key)
    if (fault) faults.push(fault)
    else if (value === '')
      faults.push({ source: `--${key}`, key, problem: 'has no value', fix: 'write the value after it' })
    else settings.push({ key, value, location: { source: `--${key}` }, isTyped: false })
  }
  return { settings, faults, warnings: [] }
}

/** Why `--key` cannot be a flag, or `undefined` if it can. */
export function findFlagFault(key: string, otherFlags: readonly string[] = []): Fault | undefined {
  const source = `--${key}`
  if (flagKeys.includes(key)) return undefined
  const spec = keys.get(key)
  if (spec === undefined) {
    const fix = suggest(
      source,
      [...flagKeys, ...otherFlags].map((flag) => `--${flag}`),
      'see --help',
    )
    return { source, key, problem: 'unknown flag', fix }
  }
  if (spec.sensitive) {
    const fix = `set ${envNameOf(key)}, or ${envNameOf(key)}_FILE to the path of a file`
    return { source, key, problem: 'is a secret, and every user of this machine can read flags', fix }
  }
  return {
    source,
    key,
    problem: 'is a map, which cannot be a flag',
    fix: `write it in YAML, or as JSON in ${envNameOf(key)}`,
  }
}
