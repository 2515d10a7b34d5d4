import { createHash } from 'node:crypto'
import type { RedisCall } from './call.ts'
import type { Commands } from './connect.ts'
import { keyPrefix } from './store.ts'

type Limit = Readonly<{ max: number; windowMs: number; blockMs: number }>
type Script = (key: string, ...args: (string | number)[]) => Promise<unknown>
type Scripted = Readonly<Record<'eaAttemptAdd' | 'eaAttemptRemove', Script>>

/** Arguments: maximum, windowMs, blockMs. Returns the count, and when it ends. A value of the wrong type is replaced. */
const add = `
local count = redis.pcall('INCR', KEYS[1])
if type(count) == 'table' then
  redis.call('DEL', KEYS[1])
  count = redis.call('INCR', KEYS[1])
end
if count == tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[3])
elseif redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return { count, redis.call('PTTL', KEYS[1]) }`

/** No arguments. A counter that has ended is not created again. */
const remove = `
if tonumber(redis.call('GET', KEYS[1]) or 0) > 0 then redis.call('DECR', KEYS[1]) end
return 1`

/** Counts attempts for all replicas. Every function rejects if Redis is unavailable. */
export function createAttemptStore(commands: Commands, call: RedisCall) {
  commands.defineCommand('eaAttemptAdd', { numberOfKeys: 1, lua: add })
  commands.defineCommand('eaAttemptRemove', { numberOfKeys: 1, lua: remove })
  const scripts = commands as unknown as Scripted

  return Object.freeze({
    async add(key: string, { max, windowMs, blockMs }: Limit) {
      const reply = await call('attempt_write', () => scripts.eaAttemptAdd(keyOf(key), max, windowMs, blockMs))
      const [count, endsInMs] = reply as [number, number]
      return { count, endsInMs }
    },
    async remove(key: string, which: 'one' | 'all'): Promise<void> {
      await call('attempt_write', () =>
        which === 'all' ? commands.del(keyOf(key)) : scripts.eaAttemptRemove(keyOf(key)),
      )
    },
    async remember(key: string, ttlMs: number): Promise<void> {
      await call('attempt_write', () => commands.set(keyOf(key), 1, 'PX', ttlMs))
    },
    async has(key: string): Promise<boolean> {
      return (await call('attempt_read', () => commands.pttl(keyOf(key)))) > 0
    },
  })
}

/** In addition to those for the states of users, as docs/credentials-model.md lists them. */
export const attemptRights = '+get +incr +decr +pexpire +pttl'

/** Tries every operation to find missing privileges. */
export async function probeAttempts(store: ReturnType<typeof createAttemptStore>): Promise<void> {
  await store.remove('probe', 'all') // of an earlier probe: only the first attempt sets the time
  await store.add('probe', { max: 1, windowMs: 1000, blockMs: 1000 })
  await store.remember('probe', 1000)
  await store.has('probe')
  await store.remove('probe', 'one')
  await store.remove('probe', 'all')
}

/** Hashed, so that Redis has no list of who signs in from where. */
function keyOf(key: string): string {
  return `${keyPrefix}attempts:${createHash('sha256').update(key).digest('base64url')}`
}
