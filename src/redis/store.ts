import { absentIfWrongType, type RedisCall } from './call.ts'
import type { Commands } from './connect.ts'
import { claim, finish, maxValueBytes, replace, taint } from './scripts.ts'

/** The number changes with the format of the values, so that releases with different formats ignore each other's keys. */
export const keyPrefix = 'elastauth:1:'
export const channel = 'elastauth:1'

type Written = Readonly<{ username: string; value: string; ttlMs: number; stateId: string }>
type Locked = Readonly<{ username: string; token: string; ttlMs: number }>
type Scripted = Readonly<Record<'eaReplace' | 'eaClaim' | 'eaFinish' | 'eaDoubt', Script>>
type Script = (key: string, ...args: (string | number)[]) => Promise<string>

/** Stores a short value per user, which changes only by atomic operations. Every function rejects if Redis is unavailable. */
export function createStore(commands: Commands, call: RedisCall) {
  commands.defineCommand('eaReplace', { numberOfKeys: 1, lua: replace })
  commands.defineCommand('eaClaim', { numberOfKeys: 1, lua: claim })
  commands.defineCommand('eaFinish', { numberOfKeys: 1, lua: finish })
  commands.defineCommand('eaDoubt', { numberOfKeys: 1, lua: taint })
  const scripts = commands as unknown as Scripted
  const keyOf = (username: string) => keyPrefix + username
  const message = (username: string, stateId = '') => `${username} ${stateId}`

  return Object.freeze({
    async get(username: string): Promise<string> {
      const read = () => commands.getrange(keyOf(username), 0, maxValueBytes - 1)
      return (await call('read', () => read().catch(absentIfWrongType))) ?? ''
    },
    async replace({
      username,
      expected,
      value,
      ttlMs,
      stateId,
    }: Written & Readonly<{ expected: string }>): Promise<void> {
      const args = [expected, value, ttlMs, channel, message(username, stateId)]
      await call('offer', () => scripts.eaReplace(keyOf(username), ...args))
    },
    async claim({
      username,
      expected,
      token,
      ttlMs,
      force,
    }: Locked & Readonly<{ expected: string | undefined; force: boolean }>) {
      const args = [expected ?? '*', token, ttlMs, force ? '1' : '0']
      return (await call('claim', () => scripts.eaClaim(keyOf(username), ...args))) as 'granted' | 'taken' | 'changed'
    },
    async finish(result: Locked & Written & Readonly<{ taintTtlMs: number }>): Promise<void> {
      const { username, token, value, ttlMs, stateId, taintTtlMs } = result
      const args = [token, value, ttlMs, taintTtlMs, channel, message(username, stateId), message(username)]
      await call('finish', () => scripts.eaFinish(keyOf(username), ...args))
    },
    async taint({ username, prefix, token, ttlMs }: Locked & Readonly<{ prefix: string }>): Promise<void> {
      const args = [prefix, token, ttlMs, channel, message(username)]
      await call('doubt', () => scripts.eaDoubt(keyOf(username), ...args))
    },
  })
}
