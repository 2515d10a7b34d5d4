import { headersOf, type RawResponse } from '../support/raw-http.ts'
import type { Caller } from './callers/caller.ts'
import type { Expectation } from './case.ts'

/** The credentials that the server returns for two users, each as one text. */
export type Credentials = Readonly<{
  names: readonly string[]
  user: string
  other: string
  /** Whether a user gets the same credential twice. Only then does a credential identify its user. */
  isStable: boolean
}>

/** nginx's default `proxy_buffer_size` on most machines: a larger head is a 502 there. HAProxy and Envoy have higher limits. */
const maxHeadLength = 4096

/** Describes what is wrong with a response; undefined when it is as expected. */
export function findFault(
  response: RawResponse,
  expect: Expectation,
  { verdictFor }: Pick<Caller, 'verdictFor'>,
  credentials: Credentials,
): string | undefined {
  const { status } = response
  const { names } = credentials
  if (expect === 'no credential') {
    const leaked = names.filter((name) => headersOf(response, name).length > 0)
    return leaked.length > 0 ? `${status} with ${leaked.join(', ')}, which the browser receives` : undefined
  }
  const headLength = response.head.length + '\r\n\r\n'.length
  if (headLength > maxHeadLength) return `the head of the response has ${headLength} bytes, more than ${maxHeadLength}`
  const verdict = verdictFor(response)
  if (verdict === 'error') return `${status} is a response that this proxy turns into an error`
  const credential = credentialOf(response, names)
  if (verdict === 'allow') return findWrongCredential(status, credential, expect, credentials)
  if (credential !== undefined) return `${status}, but with a credential`
  return expect === 'user' || expect === 'other' ? `${status}: denied` : undefined
}

function findWrongCredential(
  status: number,
  credential: string | undefined,
  expect: Exclude<Expectation, 'no credential'>,
  { names, isStable, ...expected }: Credentials,
): string | undefined {
  if (expect === 'denied') return `${status}: allowed`
  const isOther = credential === expected.other
  if (expect === 'not other') return isOther ? 'allowed as the second user' : undefined
  if (credential === undefined) return `not exactly one header of each name: ${names.join(', ')}`
  if (isOther !== (expect === 'other')) return 'allowed as the wrong user'
  return isStable && credential !== expected[expect] ? "allowed with a credential that is not the user's" : undefined
}

/** The values of all credential headers; undefined unless each is there exactly once. */
export function credentialOf(response: RawResponse, names: readonly string[]): string | undefined {
  const values = names.map((name) => headersOf(response, name))
  return values.every(({ length }) => length === 1) ? values.flat().join('\n') : undefined
}
