import { existsSync } from 'node:fs'
import { applySetting } from './apply-setting.ts'
import { createConvictStore } from './convict-store.ts'
import { ConfigError, type Fault } from './faults.ts'
import { validateValue } from './formats/format.ts'
import { type Listener, parseListeners } from './formats/listeners.ts'
import { formats } from './formats/registry.ts'
import { isPlaceholderKey, placeholderWarning, resolveSecretKey } from './formats/secret-keys.ts'
import { findRuleViolations } from './rules/rules.ts'
import { findWarnings } from './rules/warnings.ts'
import { type Config, envNameOf, schema } from './schema.ts'
import { readEnvironment } from './sources/environment.ts'
import { readFlags } from './sources/flags.ts'
import { renameLegacyKeys } from './sources/legacy-keys.ts'
import { readYaml } from './sources/yaml.ts'

export type ConfigSource = {
  /** A YAML file, or a directory of them. Without it, `config.yml` of the working directory if there is one; `null`: no file. */
  readonly file?: string | null | undefined
  readonly env: { readonly [name: string]: string | undefined }
  readonly flags: { readonly [key: string]: string }
}

export type LoadedConfig = { readonly config: Config; readonly warnings: readonly string[]; readonly file?: string }

/**
 * Reads YAML < environment < flags into one frozen configuration.
 * @throws {ConfigError} with every fault at once
 */
export function loadConfig(source: ConfigSource): LoadedConfig {
  const { env } = source
  const { file, layers, settings } = readLayers(source)

  const store = createConvictStore()
  const faults = layers.flatMap((layer) => layer.faults)
  for (const setting of settings.values()) faults.push(...applySetting(setting, store))

  const values = store.getProperties() as Config
  const broken = findRuleViolations(values, new Set(faults.map(({ key }) => key)), (key) => settings.get(key)?.location)
  faults.push(...broken.map((fault) => nameEmptyVariable(fault, env)))
  if (faults.length > 0) throw new ConfigError(faults.sort(compareFaults))

  const warnings = [...layers.flatMap((layer) => layer.warnings), ...findWarnings(values)]
  if (isPlaceholderKey(values.secret_key)) warnings.push(placeholderWarning)
  const config = deepFreeze(normalize(values))
  return { config, warnings, ...(file !== null && { file }) }
}

/** Where we listen, whatever else is wrong; the default of `listen` where it is not set, or is no address itself. */
export function findListeners(source: ConfigSource): Listener[] {
  const { format: name, default: fallback } = schema.listen
  const { settings } = readLayers(source)
  const format = formats[name]
  const value = settings.get('listen')?.value
  const listen = validateValue(format, value).length === 0 ? format.parse(value)! : [fallback]
  return parseListeners(listen, settings.has('tls.cert'))
}

/** The sources in the order of their precedence, and for each key the setting that wins. */
function readLayers({ file = findDefaultFile(), env, flags }: ConfigSource) {
  const layers = [...(file === null ? [] : [readYaml(file)]), readEnvironment(env), readFlags(flags)].map(
    renameLegacyKeys,
  )
  const settings = new Map(layers.flatMap((layer) => layer.settings).map((setting) => [setting.key, setting]))
  return { file, layers, settings }
}

/** What is accepted but means something else: the documentation's key, the predecessor's file cache. */
function normalize(values: Config): Config {
  const { cache } = values
  const secret_key = resolveSecretKey(values.secret_key!)
  return { ...values, secret_key, cache: { ...cache, type: cache.type === 'file' ? 'memory' : cache.type } }
}

function findDefaultFile(): string | null {
  return existsSync('config.yml') ? 'config.yml' : null
}

/** Nothing says "not set" less clearly than a variable that is there, and empty. */
function nameEmptyVariable(fault: Fault, env: ConfigSource['env']): Fault {
  const source = envNameOf(fault.key)
  return env[source] === '' ? { ...fault, source, problem: `is empty here, and ${fault.problem}` } : fault
}

/** Files first, in reading order; then variables and flags; last what is missing everywhere. */
function compareFaults(a: Fault, b: Fault): number {
  const rank = ({ file, source }: Fault) => (file !== undefined ? 0 : source !== undefined ? 1 : 2)
  const byFile = (a.file ?? '').localeCompare(b.file ?? '')
  return rank(a) - rank(b) || byFile || (a.line ?? 0) - (b.line ?? 0)
}

/** Freezes all the way down. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) deepFreeze(child)
    Object.freeze(value)
  }
  return value
}
