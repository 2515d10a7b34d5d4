import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Fault } from '../faults.ts'

/** The file itself, or the *.yml and *.yaml files of a directory in alphabetical order; a fault if there is none. */
export function listYamlFiles(path: string): string[] | Fault {
  try {
    if (!statSync(path).isDirectory()) return [path]
    const names = readdirSync(path).filter((name) => /^[^.].*\.ya?ml$/i.test(name))
    if (names.length > 0) return names.sort().map((name) => join(path, name))
    const fix = 'add one, or name a file (Docker creates a directory if the file of a bind mount does not exist)'
    return { file: path, key: '--config', problem: 'is a directory without a *.yml file', fix }
  } catch (error) {
    return unreadableFileFault(path, error)
  }
}

export function unreadableFileFault(file: string, error: unknown): Fault {
  const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
  const problem = isMissing ? 'does not exist' : 'cannot be read'
  return {
    file,
    key: '--config',
    problem,
    fix: isMissing ? 'check the path' : 'check that it is a readable file of at most 1 MiB',
  }
}
