import { absentIfWrongType, type RedisCall } from './call.ts'
import type { Commands } from './connect.ts'
import { acquireLock, compareAndSet, maxValueBytes, releaseLock, taint } from './scripts.ts'

/** The number changes with the format of the values, so that releases with different formats ignore each other's keys. */
export const keyPrefix = 'elastauth:1:'
export const channel = 'elastauth:1'

type Written = Readonly<{ username: string; value: string; ttlMs: number; stateId: string }>
type Locked = Readonly<{ username: string; token: string; ttlMs: number }>
type Scripted = Readonly<Record<'eaCompareAndSet' | 'eaAcquireLock' | 'eaReleaseLock' | 'eaTaint', Script>>
type Script = (key: string, ...args: (string | number)[]) => Promise<string>

/** Stores a short value per user, which changes only by atomic operations. Every function rejects if Redis is unavailable. */
export function createStore(commands: Commands, call: RedisCall) {
  commands.defineCommand('eaCompareAndSet', { numberOfKeys: 1, lua: compareAndSet })
  commands.defineCommand('eaAcquireLock', { numberOfKeys: 1, lua: acquireLock })
  commands.defineCommand('eaReleaseLock', { numberOfKeys: 1, lua: releaseLock })
  commands.defineCommand('eaTaint', { numberOfKeys: 1, lua: taint })
  const scripts = commands as unknown as Scripted
  const keyOf = (username: string) => keyPrefix + username
  const message = (username: string, stateId = '') => `${username} ${stateId}`

  return Object.freeze({
    async get(username: string): Promise<string> {
      const read = () => commands.getrange(keyOf(username), 0, maxValueBytes - 1)
      return (await call('read', () => read().catch(absentIfWrongType))) ?? ''
    },
    async compareAndSet(change: Written & Readonly<{ expected: string }>): Promise<void> {
      const { username, expected, value, ttlMs, stateId } = change
      const args = [expected, value, ttlMs, channel, message(username, stateId)]
      await call('compare_and_set', () => scripts.eaCompareAndSet(keyOf(username), ...args))
    },
    async acquireLock(request: Locked & Readonly<{ expected: string | undefined; force: boolean }>) {
      const { username, expected, token, ttlMs, force } = request
      const args = [expected ?? '*', token, ttlMs, force ? '1' : '0']
      const reply = await call('acquire_lock', () => scripts.eaAcquireLock(keyOf(username), ...args))
      return reply as 'acquired' | 'held' | 'changed'
    },
    async releaseLock(request: Locked & Written & Readonly<{ taintTtlMs: number }>): Promise<void> {
      const { username, token, value, ttlMs, stateId, taintTtlMs } = request
      const args = [token, value, ttlMs, taintTtlMs, channel, message(username, stateId), message(username)]
      await call('release_lock', () => scripts.eaReleaseLock(keyOf(username), ...args))
    },
    async taint({ username, prefix, token, ttlMs }: Locked & Readonly<{ prefix: string }>): Promise<void> {
      const args = [prefix, token, ttlMs, channel, message(username)]
      await call('taint', () => scripts.eaTaint(keyOf(username), ...args))
    },
  })
}
