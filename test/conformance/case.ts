import type { Header, Original, SubRequest } from './message.ts'

/** Whom the server under test knows. */
export type People = Readonly<{
  /** What says who is asking, as the provider or the proxy before it puts it into the request. */
  user: readonly Header[]
  /** The same for a second user. */
  other: readonly Header[]
  /** Somebody who is known and not let in; there is no case about them where absent. */
  forbidden?: readonly Header[]
}>

/**
 * `user`: let in, as that user. `nobody`: not let in. `not other`: either, but never as the second user. `no credential`: any
 * status, for requests of a browser instead of the proxy.
 */
export type Expectation = 'user' | 'other' | 'nobody' | 'not other' | 'no credential'

export type CaseRequest = Readonly<{ original: Original; expect: Expectation }>

export type Case = Readonly<{
  name: string
  /** Asked one after another over one connection. */
  questions: readonly CaseRequest[]
  /** The callers that ask so; all where absent. */
  only?: readonly string[]
  /** What makes the sub-request another than the caller's usual one. */
  alter?: (request: SubRequest) => SubRequest
}>

/** What a client asks for: `GET /app/home?lang=en`, unless told otherwise. */
export function original(headers: readonly Header[], parts: Partial<Omit<Original, 'headers'>> = {}): Original {
  return {
    method: 'GET',
    target: '/app/home?lang=en',
    host: 'app.example.com',
    ...parts,
    headers: [['User-Agent', 'conformance'], ...headers],
  }
}

export function single(name: string, expect: Expectation, asked: Original, more: Partial<Case> = {}): Case {
  return { name, questions: [{ original: asked, expect }], ...more }
}
