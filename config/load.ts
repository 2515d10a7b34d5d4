import { applySetting } from './apply-setting.ts'
import { createConvictStore } from './convict-store.ts'
import { ConfigError, type Fault, formatLocation, type SourceLocation } from './faults.ts'
import { formats } from './formats/registry.ts'
import { isPlaceholderKey, placeholderWarning, resolveSecretKey } from './formats/secret-keys.ts'
import { type ConfigSource, readSettings } from './read-settings.ts'
import { findOtelFaults } from './rules/otel-rules.ts'
import { findRuleViolations } from './rules/rules.ts'
import { findWarnings } from './rules/warnings.ts'
import { type Config, envNameOf } from './schema.ts'
import type { Layer, Setting } from './sources/layer.ts'

export type LoadedConfig = {
  readonly config: Config
  readonly warnings: readonly string[]
  readonly file?: string
  /** Where a key, or an entry of its list, is set. */
  readonly locate: (key: string, path?: readonly (string | number)[]) => SourceLocation
}

/**
 * Reads the YAML file, the environment and the flags into one frozen configuration; later sources override earlier ones.
 * @throws {ConfigError} with all faults
 */
export function loadConfig(source: ConfigSource): LoadedConfig {
  const { file, env } = source
  const { layers, settings } = readSettings(source)

  const store = createConvictStore()
  const faults = layers.flatMap((layer) => layer.faults)
  for (const setting of settings.values()) faults.push(...applySetting(setting, store))

  const values = store.getProperties() as Config
  const faultyKeys = new Set(faults.map(({ key }) => key))
  const violations = findRuleViolations(values, faultyKeys, (key) => locateKey(settings, key))
  faults.push(...violations.map((fault) => nameEmptyVariable(fault, env)))
  faults.push(...findOtelFaults(values, env))
  if (faults.length > 0) throw new ConfigError(faults.sort(compareFaults))

  const warnings = [
    ...layers.flatMap((layer) => layer.warnings),
    ...findOverriddenListen(layers, settings.get('listen')),
    ...findWarnings(values, (key) => settings.has(key)),
  ]
  if (isPlaceholderKey(values.secret_key)) warnings.push(placeholderWarning)
  const config = deepFreeze(normalize(values))
  const locate: LoadedConfig['locate'] = (key, path) => locationOf(settings.get(key), path)
  return { config, warnings, locate, ...(file !== null && { file: file.path }) }
}

/** Where a key, or an entry of a list such as `listen[1]` or `proxy.routes[0].tls.client_key`, was set. */
function locateKey(settings: ReadonlyMap<string, Setting>, key: string): SourceLocation | undefined {
  const [name = key, index, rest = ''] = key.split(/\[(\d+)\]/)
  const setting = settings.get(name)
  if (setting === undefined || index === undefined) return setting?.location
  return locationOf(setting, [Number(index), ...rest.split('.').filter(Boolean)])
}

function locationOf(setting: Setting | undefined, path: readonly (string | number)[] = []): SourceLocation {
  if (setting === undefined) return { source: '(default)' }
  const line = setting.lineOf?.(path)
  return line === undefined ? setting.location : { ...setting.location, line }
}

/**
 * Replaces values that are accepted only for compatibility: the documentation's placeholder key and `cache.type: file`.
 */
function normalize(values: Config): Config {
  const { cache } = values
  const secret_key = resolveSecretKey(values.secret_key!)
  return { ...values, secret_key, cache: { ...cache, type: cache.type === 'file' ? 'memory' : cache.type } }
}

/** Warns if ELASTAUTH_LISTEN, which the image of elastauth sets, overrides another `listen` of the file. */
function findOverriddenListen(layers: readonly Layer[], effective: Setting | undefined): string[] {
  const settings = layers.flatMap((layer) => layer.settings)
  const inFile = settings.find(({ key, location }) => key === 'listen' && location.file !== undefined)
  if (inFile === undefined || effective?.location.source !== envNameOf('listen')) return []
  const [before, after] = [inFile, effective].map(({ value }) => formats.listen_list.parse(value)?.map(withoutWildcard))
  if (before?.join() === after?.join()) return []
  return [
    `ELASTAUTH_LISTEN=${effective.value} overrides listen in ${formatLocation(inFile.location)} (the image of elastauth sets it): to use the file's value, set the variable to an empty text.`,
  ]
}

/** An address without the host that means all interfaces. */
function withoutWildcard(address: string): string {
  return address.replace(/^(?:0\.0\.0\.0|\[::\]):/, ':')
}

/**
 * Adds the variable's name to a fault about a key whose variable is empty, since an empty variable counts as not set.
 */
function nameEmptyVariable(fault: Fault, env: ConfigSource['env']): Fault {
  const source = envNameOf(fault.key)
  return env[source] === '' ? { ...fault, source, problem: `is empty here, and ${fault.problem}` } : fault
}

/** Sorts faults: first files, by name and line, then variables and flags, then keys that are not set. */
function compareFaults(a: Fault, b: Fault): number {
  if (rankOf(a) !== rankOf(b)) return rankOf(a) - rankOf(b)
  const byFile = (a.file ?? '').localeCompare(b.file ?? '')
  return byFile === 0 ? (a.line ?? 0) - (b.line ?? 0) : byFile
}

function rankOf({ file, source }: Fault): number {
  if (file !== undefined) return 0
  return source === undefined ? 2 : 1
}

/** Freezes a value and all nested values. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) deepFreeze(child)
    Object.freeze(value)
  }
  return value
}
