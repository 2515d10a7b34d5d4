import type { PasswordToWrite } from '../../src/auth/credentials/password-writer.ts'
import type { SweepDirectory, UserDirectory, UserToWrite } from '../../src/auth/credentials/user-directory.ts'
import { GatewayError } from '../../src/http/errors.ts'

export type MemoryUser = {
  password: string
  roles: readonly string[]
  full_name: string | null
  email: string | null
  metadata: Readonly<Record<string, unknown>>
  enabled: boolean
  reserved: boolean
}

type Operation = 'get' | 'put' | 'authenticate' | 'page' | 'setPassword' | 'delete' | 'invalidateApiKeys'

export type MemoryDirectory = UserDirectory &
  SweepDirectory &
  Readonly<{
    delete: (username: string) => Promise<void>
    /** Resolves to the number of keys that were active. */
    invalidateApiKeys: (username: string) => Promise<number>
    users: Map<string, MemoryUser>
    calls: Record<'get' | 'put' | 'authenticate', number>
    /** Every user written, in order. */
    written: (UserToWrite & { username: string })[]
    /** The users for whom only the password was changed, in order. */
    passwordsSet: { username: string; password: string }[]
    /** How many valid API keys each user has. */
    apiKeys: Map<string, number>
    /** Awaited before and after the work of each call; a hook that throws makes the call fail there. */
    hooks: { before?: Hook | undefined; after?: Hook | undefined }
    /** Whether the directory accepts this `Authorization` value now. */
    accepts: (authorization: string) => boolean
  }>

type Hook = (operation: Operation, username: string) => void | Promise<void>

/** A user directory in memory that checks passwords, counts calls and fails on demand. */
export function createMemoryDirectory(): MemoryDirectory {
  const users = new Users()
  const calls = { get: 0, put: 0, authenticate: 0 }
  const written: MemoryDirectory['written'] = []
  const passwordsSet: MemoryDirectory['passwordsSet'] = []
  const apiKeys: MemoryDirectory['apiKeys'] = new Map()
  const hooks: MemoryDirectory['hooks'] = {}

  async function run<T>(operation: Operation, username: string, work: () => T): Promise<T> {
    if (operation === 'get' || operation === 'put' || operation === 'authenticate') calls[operation]++
    await hooks.before?.(operation, username)
    const result = work()
    await hooks.after?.(operation, username)
    return result
  }

  return Object.freeze({
    users,
    calls,
    written,
    passwordsSet,
    apiKeys,
    hooks,
    get: (username: string) => run('get', username, () => copyOf(users.get(username))),
    put: (username: string, user: UserToWrite) =>
      run('put', username, () => {
        written.push({ username, ...structuredClone(user) })
        users.set(username, { ...structuredClone(user), enabled: user.enabled ?? true, reserved: false })
      }),
    page: (after: string | undefined, size: number) =>
      run('page', '', () => users.namesAfter(after, size).map((username) => ({ ...users.get(username)!, username }))),
    setPassword: (username: string, { password }: PasswordToWrite) =>
      run('setPassword', username, () => {
        const user = users.get(username)
        if (user === undefined) throw new GatewayError('elasticsearch_rejected', 'user must exist')
        passwordsSet.push({ username, password })
        users.set(username, { ...user, password })
        return true
      }),
    delete: (username: string) => run('delete', username, () => void users.delete(username)),
    invalidateApiKeys: (username: string) =>
      run('invalidateApiKeys', username, () => {
        const count = apiKeys.get(username) ?? 0
        apiKeys.delete(username)
        return count
      }),
    authenticate: (username: string, password: string) =>
      run('authenticate', username, () => {
        const user = users.get(username)
        if (!user?.enabled || user.password !== password) return undefined
        const { roles, metadata } = structuredClone(user)
        return { roles, metadata }
      }),
    accepts(authorization: string) {
      const [, encoded = ''] = /^Basic (.+)$/.exec(authorization) ?? []
      const [username = '', password] = Buffer.from(encoded, 'base64').toString().split(':')
      const user = users.get(username)
      return user?.enabled === true && user.password === password
    },
  })
}

/** Names are sorted only after one was added or deleted: a sweep lists thousands of users hundreds of times. */
class Users extends Map<string, MemoryUser> {
  #sorted: readonly string[] | undefined

  override set(name: string, user: MemoryUser): this {
    if (!this.has(name)) this.#sorted = undefined
    return super.set(name, user)
  }

  override delete(name: string): boolean {
    this.#sorted = undefined
    return super.delete(name)
  }

  override clear(): void {
    this.#sorted = undefined
    super.clear()
  }

  namesAfter(after: string | undefined, count: number): readonly string[] {
    this.#sorted ??= [...this.keys()].sort()
    let [start, end] = [0, after === undefined ? 0 : this.#sorted.length]
    while (start < end) {
      const middle = (start + end) >> 1
      if (this.#sorted[middle]! > after!) end = middle
      else start = middle + 1
    }
    return this.#sorted.slice(start, start + count)
  }
}

export function createMemoryUser(overrides: Partial<MemoryUser> = {}): MemoryUser {
  return {
    password: 'set-elsewhere',
    roles: [],
    full_name: null,
    email: null,
    metadata: {},
    enabled: true,
    reserved: false,
    ...overrides,
  }
}

export function unavailable(): GatewayError {
  return new GatewayError('elasticsearch_unavailable', 'the directory is down')
}

function copyOf(user: MemoryUser | undefined) {
  if (user === undefined) return undefined
  const { reserved, enabled, roles, full_name, email, metadata } = structuredClone(user)
  return { reserved, enabled, roles, full_name, email, metadata }
}
