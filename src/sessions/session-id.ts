import { hash, randomBytes } from 'node:crypto'

/** 256 random bits, 43 characters. Only the browser and the memory of the replicas contain the id. */
export function createSessionId(): string {
  return randomBytes(32).toString('base64url')
}

/** The key of a session in the store. A hash, because read access to the store must not reveal session ids. */
export function keyOf(id: string): string {
  return hash('sha256', `session\0${id}`, 'base64url')
}

/** The name of the session index for one subject (`sub`), one session at the provider (`sid`) or one username (`user`). */
export function indexOf(kind: 'sub' | 'sid' | 'user', value: string): string {
  return hash('sha256', `${kind}\0${value}`, 'base64url')
}
