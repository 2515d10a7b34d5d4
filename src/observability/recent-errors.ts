import { errorTable, type GatewayError } from '../http/errors.ts'

/** The errors of one kind since the start. */
export type RecentError = Readonly<{ code: string; detail: string; count: number; last: string }>

export type RecentErrors = Readonly<{ note: (error: GatewayError) => void; list: () => RecentError[] }>

const maxKinds = 50

/** Their details name the groups of a user, which only the log may contain. */
const personal: readonly string[] = ['no_roles', 'group_denied']

/** Remembers the latest kinds of errors, for `elastauth doctor`. @param now milliseconds since 1970 */
export function createRecentErrors(now: () => number): RecentErrors {
  const kinds = new Map<string, { code: string; detail: string; count: number; lastMs: number }>()

  /** The oldest kind of the same code if there are others, so that details which clients choose do not displace other codes. */
  function findSurplus(code: string): string {
    const [oldest, ...more] = kinds.keys().filter((key) => key.startsWith(`${code} `))
    return more.length > 0 ? oldest! : kinds.keys().next().value!
  }

  return Object.freeze({
    note({ code, detail: full }: GatewayError) {
      const detail = personal.includes(code) ? errorTable[code].message : full
      const key = `${code} ${detail}`
      const kind = kinds.get(key) ?? { code, detail, count: 0, lastMs: 0 }
      kind.count++
      kind.lastMs = now()
      kinds.delete(key) // to the end, so that the first one is the oldest
      kinds.set(key, kind)
      if (kinds.size > maxKinds) kinds.delete(findSurplus(code))
    },
    list: () =>
      [...kinds.values()].reverse().map(({ lastMs, ...kind }) => ({ ...kind, last: new Date(lastMs).toISOString() })),
  })
}
