import { readFileSync } from 'node:fs'

/** The text of a PEM file, or undefined without a path. Throws if it cannot be read. */
export function readPem(path: string | null): string | undefined {
  return path === null ? undefined : readFileSync(path, 'utf8')
}
