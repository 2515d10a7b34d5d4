import type { SharedStore } from '../../src/auth/credentials/shared-cache.ts'

type Operation = keyof SharedStore

export type MemorySharedStore = SharedStore &
  Readonly<{
    /** Only what still lives. */
    values: () => ReadonlyMap<string, string>
    put: (username: string, value: string) => void
    /** As FLUSHALL does. */
    clear: () => void
    calls: Record<Operation, number>
    /** Awaited before each step and again before its answer; throws to lose it there. */
    hooks: { before?: Hook | undefined; after?: Hook | undefined }
    onChange: (listener: (username: string, id: string) => void) => void
  }>

type Hook = (operation: Operation, username: string) => void | Promise<void>

/**
 * The steps of src/redis/scripts.ts in memory. test/integration/redis-store.test.ts holds both to the same tests.
 * @param now in milliseconds since 1970; what has lived its life is gone
 */
export function createMemorySharedStore(now: () => number): MemorySharedStore {
  const entries = new Map<string, { value: string; until: number }>()
  const listeners: ((username: string, id: string) => void)[] = []
  const hooks: MemorySharedStore['hooks'] = {}
  const calls = { get: 0, replace: 0, claim: 0, finish: 0, taint: 0 }

  async function step<T>(operation: Operation, username: string, work: () => T): Promise<T> {
    calls[operation]++
    await hooks.before?.(operation, username)
    const result = work()
    await hooks.after?.(operation, username)
    return result
  }
  const held = (username: string) => {
    const entry = entries.get(username)
    return entry && now() < entry.until ? entry.value : ''
  }
  const set = (username: string, value: string, life: number) => entries.set(username, { value, until: now() + life })
  const keepLife = (username: string, value: string) => entries.set(username, { ...entries.get(username)!, value })
  const tell = (username: string, id: string) => {
    for (const listener of listeners) listener(username, id)
  }

  return Object.freeze({
    get: (username: string) => step('get', username, () => held(username)),
    replace: (username: string, expected: string, value: string, life: number, id: string) =>
      step('replace', username, () => {
        if (held(username) !== expected) return
        set(username, value, life)
        if (expected !== '') tell(username, id)
      }),
    claim: (username: string, expected: string | undefined, token: string, life: number, insist: boolean) =>
      step('claim', username, () => {
        const value = held(username)
        const isTaken = /^[!?]/.test(value) && !value.endsWith('.')
        if (isTaken && !insist) return 'taken'
        const isOther = expected === undefined ? insist : value !== expected
        if (!insist && isOther) return 'changed'
        const inDoubt = isTaken || value.startsWith('?') || (insist && isOther)
        set(username, `${inDoubt ? '?' : '!'}${token}`, life)
        return 'granted'
      }),
    finish: (username: string, token: string, value: string, life: number, id: string, markLife: number) =>
      step('finish', username, () => {
        const mark = held(username)
        if (mark === `!${token}`) set(username, value, life)
        else if (mark === `?${token}`) keepLife(username, `?${token}.`)
        else set(username, `?${token}.`, markLife)
        tell(username, mark === `!${token}` ? id : '')
      }),
    taint: (username: string, prefix: string, token: string, life: number) =>
      step('taint', username, () => {
        const value = held(username)
        if (value === '' || !value.startsWith(prefix)) return
        set(username, `?${token}.`, life)
        tell(username, '')
      }),
    values: () => new Map([...entries.keys()].map((name) => [name, held(name)] as const).filter(([, v]) => v !== '')),
    put: (username: string, value: string) => void set(username, value, Number.POSITIVE_INFINITY),
    clear: () => entries.clear(),
    calls,
    hooks,
    onChange: (listener) => void listeners.push(listener),
  }) satisfies MemorySharedStore
}
