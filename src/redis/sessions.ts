import type { RedisCall } from './call.ts'
import type { Commands } from './connect.ts'
import { claim, end, enlist, finish, get, list, put, release } from './session-scripts.ts'
import { channel, keyPrefix } from './store.ts'

/** Stands where a user's name does in other messages, and can be none. */
const mark = ':session'

type Script = (key: string, ...args: (string | number)[]) => Promise<unknown>
type Scripted = Readonly<
  Record<
    | 'eaSessionGet'
    | 'eaList'
    | 'eaSessionPut'
    | 'eaSessionClaim'
    | 'eaSessionFinish'
    | 'eaSessionRelease'
    | 'eaSessionEnd'
    | 'eaEnlist',
    Script
  >
>

/** What a message on the channel says of a session; undefined where it is about something else. */
export function parseSessionEvent(name: string, rest: string) {
  if (name !== mark) return undefined
  const [key = '', what, by = ''] = rest.split(' ')
  return what === 'changed' || what === 'ended' ? ({ key, what, by } as const) : undefined
}

/** Sessions, sealed by whoever puts them, and lists of them. Every function rejects when Redis cannot be had. */
export function createSessionStore(commands: Commands, call: RedisCall) {
  commands.defineCommand('eaSessionPut', { numberOfKeys: 1, lua: put })
  commands.defineCommand('eaSessionClaim', { numberOfKeys: 1, lua: claim })
  commands.defineCommand('eaSessionFinish', { numberOfKeys: 1, lua: finish })
  commands.defineCommand('eaSessionRelease', { numberOfKeys: 1, lua: release })
  commands.defineCommand('eaSessionEnd', { numberOfKeys: 1, lua: end })
  commands.defineCommand('eaSessionGet', { numberOfKeys: 1, lua: get })
  commands.defineCommand('eaList', { numberOfKeys: 1, lua: list })
  commands.defineCommand('eaEnlist', { numberOfKeys: 1, lua: enlist })
  const scripts = commands as unknown as Scripted
  const keyOf = (kind: 'session' | 'list' | 'once', name: string) => `${keyPrefix}${kind}:${name}`
  const whole = (life: number) => Math.max(1, Math.ceil(life))

  return Object.freeze({
    async get(key: string): Promise<string | undefined> {
      const value = await call('session_read', () => scripts.eaSessionGet(keyOf('session', key)))
      return typeof value === 'string' ? value : undefined
    },
    async has(key: string): Promise<boolean> {
      return (await call('session_read', () => commands.pttl(keyOf('session', key)))) > 0
    },
    async put(key: string, value: string, life: number): Promise<void> {
      await call('session_write', () => scripts.eaSessionPut(keyOf('session', key), value, whole(life)))
    },
    async touch(key: string, life: number): Promise<void> {
      await call('session_write', () => commands.pexpire(keyOf('session', key), whole(life)))
    },
    async claim(key: string, value: string, claimant: string, inPlaceOf = '') {
      const args = [value, claimant, inPlaceOf]
      const claimed = await call('session_write', () => scripts.eaSessionClaim(keyOf('session', key), ...args))
      const word = claimed as 'granted' | 'changed' | 'gone' | `by ${string}`
      return word.startsWith('by ') ? { takenBy: word.slice(3) } : (word as 'granted' | 'changed' | 'gone')
    },
    async finish(key: string, claimant: string, value: string, life: number): Promise<boolean> {
      const args = [claimant, value, whole(life), channel, `${mark} ${key} changed ${claimant}`]
      return (await call('session_write', () => scripts.eaSessionFinish(keyOf('session', key), ...args))) === 1
    },
    async release(key: string, claimant: string): Promise<void> {
      await call('session_write', () => scripts.eaSessionRelease(keyOf('session', key), claimant))
    },
    async end(key: string): Promise<boolean> {
      const args = [channel, `${mark} ${key} ended`]
      return (await call('session_write', () => scripts.eaSessionEnd(keyOf('session', key), ...args))) === 1
    },
    async enlist(name: string, key: string, life: number): Promise<number> {
      const now = Date.now()
      const args = [key, now + whole(life), now, whole(life)]
      return Number(await call('session_write', () => scripts.eaEnlist(keyOf('list', name), ...args)))
    },
    async delist(name: string, keys: readonly string[]): Promise<void> {
      if (keys.length > 0) await call('session_write', () => commands.zrem(keyOf('list', name), ...keys))
    },
    async list(name: string): Promise<readonly string[]> {
      const members = await call('session_read', () => scripts.eaList(keyOf('list', name), Date.now()))
      return members as string[]
    },
    async once(name: string, life: number): Promise<boolean> {
      const set = () => commands.set(keyOf('once', name), '1', 'PX', whole(life), 'NX')
      return (await call('session_write', set)) === 'OK'
    },
  })
}

/** Tries all that sessions need, rights included: leaves marks that are no session's, for a second. */
export async function probeSessions(store: ReturnType<typeof createSessionStore>): Promise<void> {
  await store.put('probe', 'one', 1000)
  await store.touch('probe', 1000)
  await store.claim('probe', 'one', 'probe')
  await store.finish('probe', 'probe', 'two', 1000)
  await store.release('probe', 'probe')
  await store.get('probe')
  await store.end('probe')
  await store.enlist('probe', 'probe', 1000)
  await store.list('probe')
  await store.has('probe')
  await store.delist('probe', ['probe'])
  await store.once('probe', 1000)
}
