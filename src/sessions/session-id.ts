import { hash, randomBytes } from 'node:crypto'

/** 256 random bits, which only the browser and the memory of a replica that knows the session hold: 43 characters. */
export function createSessionId(): string {
  return randomBytes(32).toString('base64url')
}

/** Where a session is stored. Whoever reads the store learns no id from it. */
export function keyOf(id: string): string {
  return hash('sha256', `session\0${id}`, 'base64url')
}

/** Where the sessions of one subject, or one of the provider's sessions, are listed. */
export function indexOf(kind: 'sub' | 'sid', value: string): string {
  return hash('sha256', `${kind}\0${value}`, 'base64url')
}
