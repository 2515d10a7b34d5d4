import { userOf } from '../upstream.ts'
import { parseStrictly, type StrictRequest, valuesOf } from './strict-request.ts'

/** What one attack says by the letter, and whose each request is. */
type Attack = { readonly bytes: string; readonly said: readonly SentRequest[]; next: number }
type SentRequest = Readonly<{ request: StrictRequest; user: string | undefined; isWhole: boolean }>

export type Oracle = Readonly<{
  /** Takes down what is about to be sent from an address of its own. @returns how many whole requests that is */
  expect: (address: string, bytes: string) => number
  /** Forgets an attack: what still comes of it would be a failure. */
  forget: (address: string) => void
  /** Holds what the upstream read against what was sent: the same, in order, by a user, with that user's credential. */
  check: (got: StrictRequest, isWhole: boolean) => void
  fail: (what: string, address: string, got: unknown) => void
  /** The first few, with the bytes that led to them. */
  failures: readonly string[]
}>

const maxFailures = 10

export function createOracle(): Oracle {
  const attacks = new Map<string, Attack>()
  const failures: string[] = []

  function fail(what: string, address: string, got: unknown): void {
    const bytes = attacks.get(address)?.bytes
    if (failures.length < maxFailures) failures.push(`${what}: ${JSON.stringify({ address, bytes, got })}`)
  }

  return Object.freeze({
    expect(address: string, bytes: string) {
      const said = readAll(bytes)
      attacks.set(address, { bytes, said, next: 0 })
      return said.filter(({ isWhole }) => isWhole).length
    },
    forget: (address: string) => void attacks.delete(address),
    check(got: StrictRequest, isWhole: boolean) {
      const address = addressIn(got)
      const attack = attacks.get(address)
      const [authorization, ...others] = valuesOf(got, 'authorization')
      if (attack === undefined) fail('a request of nobody', address, got)
      else if (authorization === undefined || others.length > 0) fail('not one credential', address, got)
      else {
        const isSame = (said: SentRequest) => isSaid(said, got, userOf(authorization), isWhole)
        const index = attack.said.findIndex((said, i) => i >= attack.next && isSame(said))
        if (index === -1) fail(isWhole ? 'a request that was not sent' : 'the start of such a one', address, got)
        else attack.next = index + 1
      }
    },
    fail,
    failures,
  })
}

/** Where a request comes from, as the gateway says, and nobody before it. */
export function addressIn(request: StrictRequest): string {
  return valuesOf(request, 'x-forwarded-for').at(-1)?.split(', ').at(-1) ?? ''
}

function isSaid({ request, user, ...said }: SentRequest, got: StrictRequest, by: string | undefined, isWhole: boolean) {
  const isSameHead = user === by && request.method === got.method && request.target === got.target
  return isSameHead && (!isWhole || (said.isWhole && request.body === got.body))
}

/** Up to the first request that is none. One line of identity makes a user; two, or none, make nobody. */
function readAll(bytes: string): SentRequest[] {
  const said: SentRequest[] = []
  for (let rest = bytes; ; ) {
    const parsed = parseStrictly(rest)
    const request = parsed.kind === 'whole' ? parsed.request : parsed.head
    if (request) {
      const [user, ...others] = valuesOf(request, 'remote-user')
      said.push({ request, user: others.length === 0 ? user : undefined, isWhole: parsed.kind === 'whole' })
    }
    if (parsed.kind !== 'whole') return said
    rest = parsed.rest
  }
}
