import { existsSync } from 'node:fs'
import { validateValue } from './formats/format.ts'
import { type Listener, parseListeners } from './formats/listeners.ts'
import { formats } from './formats/registry.ts'
import { schema } from './schema.ts'
import { readEnvironment } from './sources/environment.ts'
import { readFlags } from './sources/flags.ts'
import type { Layer } from './sources/layer.ts'
import { renameLegacyKeys } from './sources/legacy-keys.ts'

export type ConfigSource = {
  readonly file: ConfigFile | null
  readonly env: { readonly [name: string]: string | undefined }
  readonly flags: { readonly [key: string]: string }
}

export type ConfigFile = { readonly path: string; readonly read: (path: string) => Layer }

/**
 * Loads the YAML parser, which takes a tenth of the time of a health check, only if there is a file.
 * @param path of a YAML file, or a directory of YAML files. The default is `config.yml` in the working directory, if it
 * exists.
 */
export async function openConfigFile(path = findDefaultFile()): Promise<ConfigFile | null> {
  return path === undefined ? null : { path, read: (await import('./sources/yaml.ts')).readYaml }
}

function findDefaultFile(): string | undefined {
  return existsSync('config.yml') ? 'config.yml' : undefined
}

/** Reads the sources, from lowest to highest precedence, and finds the effective setting of each key. */
export function readSettings({ file, env, flags }: ConfigSource) {
  const layers = [...(file === null ? [] : [file.read(file.path)]), readEnvironment(env), readFlags(flags)].map(
    renameLegacyKeys,
  )
  const settings = new Map(layers.flatMap((layer) => layer.settings).map((setting) => [setting.key, setting]))
  return { layers, settings }
}

/**
 * Finds the listeners even if other keys have faults, because the health check needs nothing else. If `listen` is not
 * set or invalid, its default is used.
 */
export function findListeners(source: ConfigSource): Listener[] {
  const { format: name, default: fallback } = schema.listen
  const { settings } = readSettings(source)
  const format = formats[name]
  const value = settings.get('listen')?.value
  const listen = validateValue(format, value).length === 0 ? format.parse(value)! : [fallback]
  return parseListeners(listen, settings.has('tls.cert'))
}

/**
 * Finds the secret keys even if other keys have faults or are not set: an auditor needs nothing else. Keys that are not valid
 * are left out.
 */
export function findSecretKeys(source: ConfigSource): readonly string[] {
  const { settings } = readSettings(source)
  const current = formats.secret_key.parse(settings.get('secret_key')?.value)
  const previous = formats.secret_key_list.parse(settings.get('previous_secret_keys')?.value) ?? []
  return current === undefined ? previous : [current, ...previous]
}
