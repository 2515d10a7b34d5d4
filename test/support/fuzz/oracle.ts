import { userOf } from '../upstream.ts'
import { parseStrictly, type StrictRequest, valuesOf } from './strict-request.ts'

/** The requests that one attack sends according to RFC 9112. `next` is the index of the first one that the upstream has not received. */
type Attack = { readonly bytes: string; readonly sent: readonly SentRequest[]; next: number }
type SentRequest = Readonly<{ request: StrictRequest; user: string | undefined; isComplete: boolean }>

/** The test oracle: decides whether what the upstream received is what a client sent. */
export type Oracle = Readonly<{
  /** Records what is about to be sent from an address. @returns the number of complete requests */
  expect: (address: string, bytes: string) => number
  /** Forgets an attack. A request of it that arrives later is a failure. */
  forget: (address: string) => void
  /** Fails unless the request was sent, in this order, by a user whose credential it carries. */
  check: (received: StrictRequest, isComplete: boolean) => void
  fail: (what: string, address: string, received: unknown) => void
  /** The first failures, with the bytes that caused them. */
  failures: readonly string[]
}>

const maxFailures = 10

export function createOracle(): Oracle {
  const attacks = new Map<string, Attack>()
  const failures: string[] = []

  function fail(what: string, address: string, received: unknown): void {
    const bytes = attacks.get(address)?.bytes
    if (failures.length < maxFailures) failures.push(`${what}: ${JSON.stringify({ address, bytes, received })}`)
  }

  return Object.freeze({
    expect(address: string, bytes: string) {
      const sent = parseAll(bytes)
      attacks.set(address, { bytes, sent, next: 0 })
      return sent.filter(({ isComplete }) => isComplete).length
    },
    forget: (address: string) => void attacks.delete(address),
    check(received: StrictRequest, isComplete: boolean) {
      const address = clientAddressOf(received)
      const attack = attacks.get(address)
      const [authorization, ...others] = valuesOf(received, 'authorization')
      if (attack === undefined) fail('a request from an unknown client', address, received)
      else if (authorization === undefined || others.length > 0)
        fail('a request without exactly one credential', address, received)
      else {
        const isMatch = (sent: SentRequest) => matches(sent, received, userOf(authorization), isComplete)
        const index = attack.sent.findIndex((sent, i) => i >= attack.next && isMatch(sent))
        if (index === -1)
          fail(
            isComplete ? 'a request that was not sent' : 'the start of a request that was not sent',
            address,
            received,
          )
        else attack.next = index + 1
      }
    },
    fail,
    failures,
  })
}

/** The client's address as the gateway adds it, at the end of what the client itself may send. */
export function clientAddressOf(request: StrictRequest): string {
  return valuesOf(request, 'x-forwarded-for').at(-1)?.split(', ').at(-1) ?? ''
}

function matches(
  sent: SentRequest,
  received: StrictRequest,
  credentialUser: string | undefined,
  isComplete: boolean,
): boolean {
  const { request, user } = sent
  const isSameHead = user === credentialUser && request.method === received.method && request.target === received.target
  return isSameHead && (!isComplete || (sent.isComplete && request.body === received.body))
}

/** The requests up to the first invalid one. A request has a user only if exactly one header names it. */
function parseAll(bytes: string): SentRequest[] {
  const sent: SentRequest[] = []
  for (let rest = bytes; ; ) {
    const parsed = parseStrictly(rest)
    const isComplete = parsed.kind === 'complete'
    const request = isComplete ? parsed.request : parsed.head
    if (request) {
      const [user, ...others] = valuesOf(request, 'remote-user')
      sent.push({ request, user: others.length === 0 ? user : undefined, isComplete })
    }
    if (!isComplete) return sent
    rest = parsed.rest
  }
}
