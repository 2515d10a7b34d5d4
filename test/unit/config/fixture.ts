import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import { ConfigError, type Fault } from '../../../config/faults.ts'
import { type LoadedConfig, loadConfig } from '../../../config/load.ts'
import type { ConfigFile, ConfigSource } from '../../../config/read-settings.ts'
import { isMounted } from '../../../config/sources/mounts.ts'
import { readYaml } from '../../../config/sources/yaml.ts'

export const key = '0123456789abcdef'.repeat(4)

/** The smallest valid configuration. */
export const minimal = `secret_key: ${key}\nelasticsearch: { username: elastauth, password: changeme }\n`

const directory = mkdtempSync(join(tmpdir(), 'elastauth-config-'))
after(() => rmSync(directory, { recursive: true }))

/** Why a test cannot expect a fault for a file that others can write, or false. */
export const skipOnMount = isMounted(realpathSync(directory)) && 'the temporary directory is on a mount'

let count = 0

/** Writes the files into a new directory, and returns their paths. */
export function writeFiles<N extends string>(files: Record<N, string>, mode = 0o600): Record<N | 'directory', string> {
  const root = join(directory, String(count++))
  mkdirSync(root)
  const paths = Object.entries<string>(files).map(([name, text]) => {
    const path = join(root, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    chmodSync(path, mode)
    return [name, path]
  })
  return { ...Object.fromEntries(paths), directory: root }
}

/** Loads YAML text, overridden by environment variables and flags. */
export function load(yaml: string, source: Partial<ConfigSource> = {}): LoadedConfig {
  return loadConfig({ file: yamlFile(writeFiles({ 'config.yml': yaml })['config.yml']), env: {}, flags: {}, ...source })
}

export function yamlFile(path: string): ConfigFile {
  return { path, read: readYaml }
}

export function faultsOf(run: () => unknown): readonly Fault[] {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

/** The faults as short lines: `3 elasticsearch.hots unknown key: did you mean …` */
export function linesOf(run: () => unknown): string[] {
  return faultsOf(run).map(
    ({ line, source, key, problem, fix }) => `${line ?? source ?? '-'} ${key} ${problem}: ${fix}`,
  )
}
