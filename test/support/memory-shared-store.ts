import {
  type AcquireLockRequest,
  type AcquireLockResult,
  type CompareAndSetRequest,
  isLock,
  type ReleaseLockRequest,
  type SharedStore,
  type TaintRequest,
} from '../../src/auth/credentials/shared-store.ts'

type Operation = keyof SharedStore

export type MemorySharedStore = SharedStore &
  Readonly<{
    /** Without the expired ones. */
    values: () => ReadonlyMap<string, string>
    put: (username: string, value: string) => void
    /** Like FLUSHALL. */
    clear: () => void
    calls: Record<Operation, number>
    /** Awaited before and after each step; a hook that throws makes the step fail there. */
    hooks: { before?: Hook | undefined; after?: Hook | undefined }
    onChange: (listener: ChangeListener) => void
  }>

type Hook = (operation: Operation, username: string) => void | Promise<void>
type ChangeListener = (username: string, stateId: string) => void

/**
 * The steps of src/redis/scripts.ts in memory. test/integration/redis-store.test.ts runs the same tests against both.
 * @param now in milliseconds since 1970; values expire by it
 */
export function createMemorySharedStore(now: () => number): MemorySharedStore {
  const values = createExpiringValues(now)
  const listeners: ChangeListener[] = []
  const hooks: MemorySharedStore['hooks'] = {}
  const calls = { get: 0, compareAndSet: 0, acquireLock: 0, releaseLock: 0, taint: 0 }
  const notify = (username: string, stateId: string) => {
    for (const listener of listeners) listener(username, stateId)
  }

  async function step<T>(operation: Operation, username: string, work: () => T): Promise<T> {
    calls[operation]++
    await hooks.before?.(operation, username)
    const result = work()
    await hooks.after?.(operation, username)
    return result
  }

  return Object.freeze({
    get: (username: string) => step('get', username, () => values.get(username)),
    compareAndSet: (change: CompareAndSetRequest) =>
      step('compareAndSet', change.username, () => compareAndSet(values, notify, change)),
    acquireLock: (request: AcquireLockRequest) =>
      step('acquireLock', request.username, () => acquireLock(values, request)),
    releaseLock: (request: ReleaseLockRequest) =>
      step('releaseLock', request.username, () => releaseLock(values, notify, request)),
    taint: (request: TaintRequest) => step('taint', request.username, () => taint(values, notify, request)),
    values: values.all,
    put: (username: string, value: string) => values.set(username, value, Number.POSITIVE_INFINITY),
    clear: values.clear,
    calls,
    hooks,
    onChange: (listener: ChangeListener) => void listeners.push(listener),
  })
}

type Values = ReturnType<typeof createExpiringValues>

function createExpiringValues(now: () => number) {
  const entries = new Map<string, { value: string; expiresAt: number }>()
  const get = (username: string): string => {
    const entry = entries.get(username)
    return entry && now() < entry.expiresAt ? entry.value : ''
  }
  return Object.freeze({
    get,
    set: (username: string, value: string, ttlMs: number) =>
      void entries.set(username, { value, expiresAt: now() + ttlMs }),
    /** Keeps the time at which the current value expires. */
    setKeepingTtl: (username: string, value: string) =>
      void entries.set(username, { ...entries.get(username)!, value }),
    all: () =>
      new Map([...entries.keys()].map((name) => [name, get(name)] as const).filter(([, value]) => value !== '')),
    clear: () => entries.clear(),
  })
}

function compareAndSet(values: Values, notify: ChangeListener, change: CompareAndSetRequest): void {
  const { username, expected, value, ttlMs, stateId } = change
  if (values.get(username) !== expected) return
  values.set(username, value, ttlMs)
  if (expected !== '') notify(username, stateId)
}

function acquireLock(
  values: Values,
  { username, expected, token, ttlMs, force }: AcquireLockRequest,
): AcquireLockResult {
  const value = values.get(username)
  const isLocked = isLock(value)
  const isChanged = expected === undefined ? force : value !== expected
  if (!force && isLocked) return 'held'
  if (!force && isChanged) return 'changed'
  const isTainted = isLocked || value.startsWith('?') || isChanged
  values.set(username, `${isTainted ? '?' : '!'}${token}`, ttlMs)
  return 'acquired'
}

function releaseLock(values: Values, notify: ChangeListener, request: ReleaseLockRequest): void {
  const { username, token, value, ttlMs, stateId, taintTtlMs } = request
  const lock = values.get(username)
  if (lock === `!${token}`) values.set(username, value, ttlMs)
  else if (lock === `?${token}`) values.setKeepingTtl(username, `?${token}.`)
  else values.set(username, `?${token}.`, taintTtlMs)
  notify(username, lock === `!${token}` ? stateId : '')
}

function taint(values: Values, notify: ChangeListener, { username, prefix, token, ttlMs }: TaintRequest): void {
  const value = values.get(username)
  if (value === '' || !value.startsWith(prefix)) return
  values.set(username, `?${token}.`, ttlMs)
  notify(username, '')
}
