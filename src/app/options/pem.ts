import { readFileSync } from 'node:fs'

/** A PEM file's text. Throws what reading throws. */
export function readPem(path: string | null): string | undefined {
  return path === null ? undefined : readFileSync(path, 'utf8')
}
