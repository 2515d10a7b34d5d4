import assert from 'node:assert/strict'
import { pbkdf2 } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { createUsersService } from '../../../src/app/users.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-users-'))
after(() => rmSync(directory, { recursive: true }))

const hash = `$argon2id$v=19$m=8,t=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const usersOf = (...names: string[]) => names.map((name) => `  ${name}: {password_hash: "${hash}"}\n`).join('')

/** Occupies all threads of Node's pool, so that no asynchronous look at a file ends before it. */
const occupyThreads = () =>
  Promise.all(Array.from({ length: 8 }, () => promisify(pbkdf2)('', '', 300_000, 32, 'sha512')))

test('a change of users.path right after its first read is noticed, also while all threads are busy', {
  timeout: 60_000,
}, async () => {
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
