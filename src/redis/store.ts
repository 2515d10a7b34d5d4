import { nothingOfWrongType, type RedisCall } from './call.ts'
import type { Commands } from './connect.ts'
import { claim, finish, maxValueBytes, replace, taint } from './scripts.ts'

/** Another release that stores other things has another number, and reads nothing of ours. */
export const keyPrefix = 'elastauth:1:'
export const channel = 'elastauth:1'

type Scripted = Readonly<Record<'eaReplace' | 'eaClaim' | 'eaFinish' | 'eaDoubt', Script>>
type Script = (key: string, ...args: (string | number)[]) => Promise<string>

/** One short value for each user, changed by atomic steps. Every function rejects when Redis cannot be had. */
export function createStore(commands: Commands, call: RedisCall) {
  commands.defineCommand('eaReplace', { numberOfKeys: 1, lua: replace })
  commands.defineCommand('eaClaim', { numberOfKeys: 1, lua: claim })
  commands.defineCommand('eaFinish', { numberOfKeys: 1, lua: finish })
  commands.defineCommand('eaDoubt', { numberOfKeys: 1, lua: taint })
  const scripts = commands as unknown as Scripted
  const keyOf = (username: string) => keyPrefix + username
  const message = (username: string, id = '') => `${username} ${id}`

  return Object.freeze({
    async get(username: string): Promise<string> {
      const read = () => commands.getrange(keyOf(username), 0, maxValueBytes - 1)
      return (await call('read', () => read().catch(nothingOfWrongType))) ?? ''
    },
    async replace(username: string, expected: string, value: string, life: number, id: string): Promise<void> {
      const args = [expected, value, life, channel, message(username, id)]
      await call('offer', () => scripts.eaReplace(keyOf(username), ...args))
    },
    async claim(username: string, expected: string | undefined, token: string, life: number, insist: boolean) {
      const args = [expected ?? '*', token, life, insist ? '1' : '0']
      return (await call('claim', () => scripts.eaClaim(keyOf(username), ...args))) as 'granted' | 'taken' | 'changed'
    },
    async finish(username: string, token: string, value: string, life: number, id: string, markLife: number) {
      const args = [token, value, life, markLife, channel, message(username, id), message(username)]
      await call('finish', () => scripts.eaFinish(keyOf(username), ...args))
    },
    async taint(username: string, prefix: string, token: string, life: number): Promise<void> {
      const args = [prefix, token, life, channel, message(username)]
      await call('doubt', () => scripts.eaDoubt(keyOf(username), ...args))
    },
  })
}
