import type { Header } from '../support/raw-http.ts'
import type { Original, SubRequest } from './message.ts'

/** The users that the server under test knows, each by the headers that the provider or the proxy adds for that user. */
export type People = Readonly<{
  user: readonly Header[]
  /** A second user. */
  other: readonly Header[]
  /** A user without access. Without it, this case is left out. */
  forbidden?: readonly Header[]
}>

/**
 * `user`, `other`: allowed, with the credential of that user. `denied`: not allowed. `not other`: either, but never with the
 * second user's credential. `no credential`: any status, for requests that a browser sends instead of the proxy.
 */
export type Expectation = 'user' | 'other' | 'denied' | 'not other' | 'no credential'

export type CaseRequest = Readonly<{ original: Original; expect: Expectation }>

export type Case = Readonly<{
  name: string
  /** Sent one after another over one connection. */
  requests: readonly CaseRequest[]
  /** The callers that send such sub-requests; all by default. */
  only?: readonly string[]
  /** Changes the sub-request that the caller would send. */
  alter?: (request: SubRequest) => SubRequest
}>

/** A client's request: `GET /app/home?lang=en` by default. */
export function original(headers: readonly Header[], parts: Partial<Omit<Original, 'headers'>> = {}): Original {
  return {
    method: 'GET',
    target: '/app/home?lang=en',
    host: 'app.example.com',
    ...parts,
    headers: [['User-Agent', 'conformance'], ...headers],
  }
}

export function single(name: string, expect: Expectation, request: Original, more: Partial<Case> = {}): Case {
  return { name, requests: [{ original: request, expect }], ...more }
}
