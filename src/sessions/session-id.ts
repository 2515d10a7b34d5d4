import { hash, randomBytes } from 'node:crypto'

/** 256 random bits, 43 characters. Only the browser and the memory of replicas that serve the session hold the id. */
export function createSessionId(): string {
  return randomBytes(32).toString('base64url')
}

/** The store's key of a session: a hash, so that read access to the store reveals no session id. */
export function keyOf(id: string): string {
  return hash('sha256', `session\0${id}`, 'base64url')
}

/** The name of the index of sessions of one subject (`sub`), or of one of the provider's sessions (`sid`). */
export function indexOf(kind: 'sub' | 'sid', value: string): string {
  return hash('sha256', `${kind}\0${value}`, 'base64url')
}
