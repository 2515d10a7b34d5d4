import type { Caller } from './callers/caller.ts'
import type { Expectation } from './case.ts'
import { type ProxyResponse, valuesOf } from './message.ts'

/** What each of two users gets handed out, as one text. */
export type Credentials = Readonly<{
  names: readonly string[]
  user: string
  other: string
  /** Whether the same user gets the same twice: then it can be told whose a credential is. */
  isStable: boolean
}>

/** nginx's default `proxy_buffer_size` on most machines: a larger head is a 502 there, HAProxy's and Envoy's limits are higher. */
const largestHead = 4096

/** What is wrong with an answer, or undefined. */
export function findFault(
  answer: ProxyResponse,
  expect: Expectation,
  { judge }: Pick<Caller, 'judge'>,
  known: Credentials,
): string | undefined {
  const verdict = judge(answer)
  const handedOut = credentialOf(answer, known.names)
  if (expect === 'no credential') {
    const leaked = known.names.filter((name) => valuesOf(answer.headers, name).length > 0)
    return leaked.length > 0 ? `${answer.status} with ${leaked.join(', ')}, which the browser sees` : undefined
  }
  const isOther = handedOut !== undefined && handedOut === known.other
  if (answer.headLength > largestHead)
    return `the head of the answer has ${answer.headLength} bytes, more than ${largestHead}`
  if (verdict === 'broken') return `${answer.status} is an answer this proxy makes an error of`
  if (verdict === 'deny') {
    if (handedOut !== undefined) return `${answer.status}, but with a credential`
    return expect === 'user' || expect === 'other' ? `${answer.status}: not let in` : undefined
  }
  if (expect === 'nobody') return `${answer.status}: let in`
  if (expect === 'not other') return isOther ? 'let in as the second user' : undefined
  if (handedOut === undefined) return `no credential (${known.names.join(', ')}), or not each once`
  if (isOther !== (expect === 'other')) return 'let in as the wrong user'
  return known.isStable && handedOut !== known[expect] ? 'let in with a credential that is nobody’s' : undefined
}

/** All headers that are handed on, each there once; undefined otherwise. */
export function credentialOf({ headers }: ProxyResponse, names: readonly string[]): string | undefined {
  const values = names.map((name) => valuesOf(headers, name))
  return values.every(({ length }) => length === 1) ? values.flat().join('\n') : undefined
}
