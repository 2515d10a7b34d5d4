import assert from 'node:assert/strict'
import { pbkdf2 } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, mock, test } from 'node:test'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import { createUsersService } from '../../../src/app/users.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-users-'))
after(() => rmSync(directory, { recursive: true }))

const hash = `$argon2id$v=19$m=8,t=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const usersOf = (...names: string[]) => names.map((name) => `  ${name}: {password_hash: "${hash}"}\n`).join('')

/** Occupies all threads of Node's pool, so that no asynchronous look at a file ends before it. */
const occupyThreads = () =>
  Promise.all(Array.from({ length: 8 }, () => promisify(pbkdf2)('', '', 300_000, 32, 'sha512')))

test('a change of users.path right after its first read is noticed, also while all threads are busy', async () => {
  const file = join(directory, 'users.yml')
  writeFileSync(file, `users:\n${usersOf('alice', 'bob')}`, { mode: 0o600 })
  const { promise: changed, resolve } = Promise.withResolvers<void>()
  const log = { info: () => resolve() }
  const stopped = new AbortController()
  const busy = occupyThreads()
  const users = createUsersService(
    { users: { path: file, inline: {} } } as never,
    { log, attemptStore: undefined } as never,
  )
  assert.ok(users.find('bob'))
  writeFileSync(file, `users:\n${usersOf('alice')}`)
  users.watch(stopped.signal)
  await busy
  await changed
  assert.equal(users.find('bob'), undefined)
  stopped.abort()
})

/** A service whose log calls `onLogged`, and that looks at its file for changes until the test ends. */
function watchUsers(file: string, onLogged: (line: { message: string }) => void, inline = {}) {
  const write = (_: object, message: string) => onLogged({ message })
  const log = { info: write, error: write }
  const users = createUsersService(
    { users: { path: file, inline } } as never,
    { log, attemptStore: undefined } as never,
  )
  const stopped = new AbortController()
  users.watch(stopped.signal)
  return { users, stop: () => stopped.abort() }
}

const configOf = (path: string) =>
  ({ auth_provider: 'users', auth_providers: [], users: { path, inline: {} } }) as never

test('a changed file is read in a thread of its own, so that requests are served meanwhile, and a reload during it has priority', async () => {
  const [before, later] = [join(directory, 'before.yml'), join(directory, 'later.yml')]
  writeFileSync(before, `users:\n${usersOf('alice')}`, { mode: 0o600 })
  writeFileSync(later, `users:\n${usersOf('carol')}`, { mode: 0o600 })
  const lines: string[] = []
  const { users, stop } = watchUsers(before, ({ message }) => lines.push(message))
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const onThread = (started: unknown) => {
    const { worker } = started as { worker: Worker }
    worker.once('exit', () => resolve())
    users.prepareReload(configOf(later))()
  }
  subscribe('worker_threads', onThread)
  writeFileSync(before, `users:\n${usersOf('alice', 'bob')}`)
  await ended
  await new Promise(setImmediate)
  assert.deepEqual(
    ['alice', 'bob', 'carol'].filter((name) => users.find(name)),
    ['carol'],
  )
  assert.deepEqual(lines, [])
  unsubscribe('worker_threads', onThread)
  stop()
})

const inlineBob = { bob: { password_hash: hash, groups: [], email: null, name: null, disabled: false } }

for (const [what, names] of [
  ['succeeds', ['alice', 'carol']],
  ['fails', ['alice', 'bob']], // bob would be in users.inline too
] as const) {
  test(`a read of users.path that ${what} with the former users.inline does not replace the users of a reload`, async (t) => {
    const file = join(directory, `read-that-${what}.yml`)
    writeFileSync(file, `users:\n${usersOf('alice')}`, { mode: 0o600 })
    const lines: string[] = []
    const { users, stop } = watchUsers(file, ({ message }) => lines.push(message), inlineBob)
    t.after(stop)
    assert.ok(users.find('bob'))
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const onThread = (started: unknown) => {
      const { worker } = started as { worker: Worker }
      worker.once('exit', () => resolve())
      users.prepareReload(configOf(file))()
    }
    subscribe('worker_threads', onThread)
    t.after(() => unsubscribe('worker_threads', onThread))
    writeFileSync(file, `users:\n${usersOf(...names)}`)
    await ended
    await new Promise(setImmediate)
    assert.deepEqual(
      ['alice', 'bob', 'carol'].filter((name) => users.find(name)),
      names,
    )
    assert.deepEqual(lines, [])
  })
}

test('a reload does not read an unchanged file again, but reports its fault again', async () => {
  const file = join(directory, 'reloaded.yml')
  writeFileSync(file, `users:\n${usersOf('alice')}`, { mode: 0o600 })
  const { promise: rejected, resolve } = Promise.withResolvers<string>()
  const { users, stop } = watchUsers(file, ({ message }) => resolve(message))
  const read = mock.method(fs, 'readFileSync')
  syncBuiltinESMExports()
  users.prepareReload(configOf(file))()
  assert.equal(read.mock.callCount(), 0)
  writeFileSync(file, 'users:\n  bob: {}\n')
  assert.match(await rejected, /bob +has no password_hash/)
  assert.throws(() => users.prepareReload(configOf(file)), /bob +has no password_hash/)
  assert.ok(users.find('alice'))
  read.mock.restore()
  syncBuiltinESMExports()
  stop()
})
