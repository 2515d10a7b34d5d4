import type { RedisCall } from './call.ts'
import type { Commands } from './connect.ts'
import {
  addToIndex,
  completeRefresh,
  get,
  listIndex,
  lockRefresh,
  put,
  readDetails,
  remove,
  setDescription,
  touch,
  unlockRefresh,
} from './session-scripts.ts'
import { channel, keyPrefix } from './store.ts'

/** Takes the place of the username in messages about sessions. No username begins with a colon. */
const sessionMarker = ':session'

type Script = (key: string, ...args: (string | number)[]) => Promise<unknown>
type Scripted = Readonly<
  Record<
    | 'eaSessionGet'
    | 'eaSessionListIndex'
    | 'eaSessionPut'
    | 'eaSessionTouch'
    | 'eaSessionReadDetails'
    | 'eaSessionSetDescription'
    | 'eaSessionLockRefresh'
    | 'eaSessionCompleteRefresh'
    | 'eaSessionUnlockRefresh'
    | 'eaSessionDelete'
    | 'eaSessionAddToIndex',
    Script
  >
>

/** Parses a message on the channel; undefined if it is not about a session. */
export function parseSessionEvent(name: string, rest: string) {
  if (name !== sessionMarker) return undefined
  const [key = '', type, by = ''] = rest.split(' ')
  return type === 'changed' || type === 'ended' ? ({ key, type, by } as const) : undefined
}

/** Stores encrypted sessions and session indexes. Every function rejects if Redis is unavailable. */
export function createSessionStore(commands: Commands, call: RedisCall) {
  const scripts = defineScripts(commands)

  return Object.freeze({
    async get(key: string): Promise<string | undefined> {
      const value = await call('session_read', () => scripts.eaSessionGet(keyOf('session', key)))
      return typeof value === 'string' ? value : undefined
    },
    async has(key: string): Promise<boolean> {
      return (await call('session_read', () => commands.pttl(keyOf('session', key)))) > 0
    },
    async put(
      key: string,
      { value, ttlMs, description = '' }: Readonly<{ value: string; ttlMs: number; description?: string | undefined }>,
    ): Promise<void> {
      const args = [value, wholeMs(ttlMs), description]
      await call('session_write', () => scripts.eaSessionPut(keyOf('session', key), ...args))
    },
    async touch(key: string, ttlMs: number): Promise<void> {
      await call('session_write', () => scripts.eaSessionTouch(keyOf('session', key), wholeMs(ttlMs), Date.now()))
    },
    async lockRefresh(key: string, request: Readonly<{ value: string; owner: string; replaces?: string | undefined }>) {
      const args = [request.value, request.owner, request.replaces ?? '']
      const reply = await call('session_write', () => scripts.eaSessionLockRefresh(keyOf('session', key), ...args))
      return parseLock(reply as LockReply)
    },
    async completeRefresh(
      key: string,
      { owner, value, ttlMs }: Readonly<{ owner: string; value: string; ttlMs: number }>,
    ): Promise<boolean> {
      const args = [owner, value, wholeMs(ttlMs), channel, `${sessionMarker} ${key} changed ${owner}`]
      return (await call('session_write', () => scripts.eaSessionCompleteRefresh(keyOf('session', key), ...args))) === 1
    },
    async unlockRefresh(key: string, owner: string): Promise<void> {
      await call('session_write', () => scripts.eaSessionUnlockRefresh(keyOf('session', key), owner))
    },
    async readDetails(key: string) {
      const reply = await call('session_read', () => scripts.eaSessionReadDetails(keyOf('session', key)))
      if (reply === null) return undefined
      const [description, usedAt] = reply as [string?, string?]
      return { description: description ?? undefined, usedAt: readTime(usedAt) }
    },
    async setDescription(key: string, description: string): Promise<void> {
      await call('session_write', () => scripts.eaSessionSetDescription(keyOf('session', key), description))
    },
    async delete(key: string): Promise<boolean> {
      const args = [channel, `${sessionMarker} ${key} ended`]
      return (await call('session_write', () => scripts.eaSessionDelete(keyOf('session', key), ...args))) === 1
    },
    async addToIndex(name: string, { key, ttlMs }: Readonly<{ key: string; ttlMs: number }>): Promise<number> {
      const now = Date.now()
      const args = [key, now + wholeMs(ttlMs), now, wholeMs(ttlMs)]
      return Number(await call('session_write', () => scripts.eaSessionAddToIndex(keyOf('list', name), ...args)))
    },
    async removeFromIndex(name: string, keys: readonly string[]): Promise<void> {
      if (keys.length > 0) await call('session_write', () => commands.zrem(keyOf('list', name), ...keys))
    },
    async listIndex(name: string): Promise<readonly string[]> {
      const members = await call('session_read', () => scripts.eaSessionListIndex(keyOf('list', name), Date.now()))
      return members as string[]
    },
    async wasUsed(name: string): Promise<boolean> {
      return (await call('session_read', () => commands.pttl(keyOf('once', name)))) > 0
    },
    async useOnce(name: string, ttlMs: number): Promise<boolean> {
      const set = () => commands.set(keyOf('once', name), '1', 'PX', wholeMs(ttlMs), 'NX')
      return (await call('session_write', set)) === 'OK'
    },
  })
}

/** Undefined also for a text that elastauth has not written: a Date cannot have every number. */
function readTime(text: string | null | undefined): number | undefined {
  return text != null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function defineScripts(commands: Commands): Scripted {
  commands.defineCommand('eaSessionPut', { numberOfKeys: 1, lua: put })
  commands.defineCommand('eaSessionTouch', { numberOfKeys: 1, lua: touch })
  commands.defineCommand('eaSessionReadDetails', { numberOfKeys: 1, lua: readDetails })
  commands.defineCommand('eaSessionSetDescription', { numberOfKeys: 1, lua: setDescription })
  commands.defineCommand('eaSessionLockRefresh', { numberOfKeys: 1, lua: lockRefresh })
  commands.defineCommand('eaSessionCompleteRefresh', { numberOfKeys: 1, lua: completeRefresh })
  commands.defineCommand('eaSessionUnlockRefresh', { numberOfKeys: 1, lua: unlockRefresh })
  commands.defineCommand('eaSessionDelete', { numberOfKeys: 1, lua: remove })
  commands.defineCommand('eaSessionGet', { numberOfKeys: 1, lua: get })
  commands.defineCommand('eaSessionListIndex', { numberOfKeys: 1, lua: listIndex })
  commands.defineCommand('eaSessionAddToIndex', { numberOfKeys: 1, lua: addToIndex })
  return commands as unknown as Scripted
}

function keyOf(kind: 'session' | 'list' | 'once', name: string): string {
  return `${keyPrefix}${kind}:${name}`
}

/** Redis takes whole milliseconds, and rejects 0. */
function wholeMs(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs))
}

type LockReply = 'acquired' | 'changed' | 'gone' | `by ${string}`

function parseLock(reply: LockReply) {
  return reply.startsWith('by ') ? { heldBy: reply.slice('by '.length) } : (reply as 'acquired' | 'changed' | 'gone')
}

/** In addition to those for the states of users, as docs/credentials-model.md lists them. */
export const sessionRights =
  '+hget +hmget +hstrlen +hset +hdel +pexpire +pttl +zadd +zcard +zrem +zrangebyscore +zremrangebyscore'

/** Tries every operation on sessions to find missing privileges. Leaves entries that belong to no session for one second. */
export async function probeSessions(store: ReturnType<typeof createSessionStore>): Promise<void> {
  await store.put('probe', { value: 'one', ttlMs: 1000 })
  await store.touch('probe', 1000)
  await store.lockRefresh('probe', { value: 'one', owner: 'probe' })
  await store.completeRefresh('probe', { owner: 'probe', value: 'two', ttlMs: 1000 })
  await store.unlockRefresh('probe', 'probe')
  await store.setDescription('probe', 'probe')
  await store.readDetails('probe')
  await store.get('probe')
  await store.delete('probe')
  await store.addToIndex('probe', { key: 'probe', ttlMs: 1000 })
  await store.listIndex('probe')
  await store.has('probe')
  await store.removeFromIndex('probe', ['probe'])
  await store.useOnce('probe', 1000)
  await store.wasUsed('probe')
}
