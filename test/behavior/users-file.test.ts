import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { Gateway, LogLine } from '../support/gateway.ts'
import { passwords, users } from '../support/sign-in-form.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture, serviceAccount } from './fixture.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-users-'))
after(() => rmSync(directory, { recursive: true }))
const fixture = await createFixture()
const { alice, bob } = users
const yaml = (of: object) => JSON.stringify({ users: of }) // JSON is YAML
const bcryptHash = '$2y$05$ZetFpq7u.RN9TgiF.A0IFO6i5oCbtKfEwtF.os808zwmi96NN7NSi'

function start(file: string, inline: object = {}): Promise<Gateway> {
  const flags = { auth_provider: 'users', 'users.path': file }
  return fixture.start({ flags, env: { ELASTAUTH_USERS_INLINE: JSON.stringify(inline) } })
}

/** Each time from another network, so that failed attempts do not block a user, however long the tests take. */
let lastNetwork = 0

async function signIn({ url }: Gateway, username: keyof typeof passwords): Promise<number> {
  const authorization = `Basic ${btoa(`${username}:${passwords[username]}`)}`
  const response = await fetch(url, { headers: { authorization, 'X-Forwarded-For': `203.0.113.${++lastNetwork}` } })
  await response.arrayBuffer()
  return response.status
}

/** Resolves to the next line with this action. */
function nextLine({ log, logged }: Gateway, action: string): Promise<LogLine> {
  const seen = log.length
  return logged((line) => log.indexOf(line) >= seen && line['event.action'] === action)
}

describe('a file of users that becomes', async () => {
  const file = join(directory, 'changing.yml')
  writeFileSync(file, yaml({ alice }), { mode: 0o600 })
  const gateway = await start(file)

  /** Replaces the file in one step, as editors do. */
  function replaceFile(create: (path: string) => void): void {
    create(`${file}.new`)
    renameSync(`${file}.new`, file)
  }
  const write = (text: string | Uint8Array) => (path: string) => writeFileSync(path, text, { mode: 0o600 })

  for (const [what, create, message] of [
    [
      'a file with a user twice',
      write(`users:\n  bob: {password_hash: "${bob.password_hash}"}\n  bob: {password_hash: "${bob.password_hash}"}\n`),
      /changing\.yml:3 +users\.bob +is set twice, first in line 2/,
    ],
    [
      'a file with names that differ only in case',
      write(`users:\n  bob: {password_hash: "${bob.password_hash}"}\n  BOB: {password_hash: "${bob.password_hash}"}\n`),
      /changing\.yml:3 +users\.BOB .*differ only in case: rename/,
    ],
    [
      'a file with text where a list is expected',
      write(yaml({ bob: { ...bob, groups: { a: 'b' } } })),
      /users\.bob\.groups +is not a list of groups: /,
    ],
    [
      'a file with a number as a user',
      write('users:\n  bob: 7\n'),
      /changing\.yml:2 +users\.bob +has a number where a user is expected: /,
    ],
    [
      'a file with text where true or false is expected',
      write(yaml({ bob: { ...bob, disabled: 'perhaps' } })),
      /users\.bob\.disabled +is not true or false: /,
    ],
    ['a list', write('- bob\n'), /changing\.yml:1 +the file +is not a map: write users:/],
    ['a file that is not YAML', write('users: {bob: [\n'), /changing\.yml:\d/],
    ['a file of tabs', write('users:\n\tbob:\n'), /changing\.yml:2/],
    ['a binary file', write(Buffer.from([0x00, 0x01, 0xff, 0xfe])), /changing\.yml/],
    ['an empty file', write(''), /changing\.yml:1 +users\.path +has no users: add one/],
    [
      'a file that everybody can write',
      (path: string) => {
        write(yaml({ bob }))(path)
        chmodSync(path, 0o666)
      },
      /users\.path +can be written by every user of this machine: run chmod o-w/,
    ],
    [
      'unreadable, such as a symbolic link to itself,',
      (path: string) => symlinkSync('changing.yml', path),
      /users\.path +cannot be read: check its permissions/,
    ],
    [
      'a link to a directory',
      (path: string) => symlinkSync('.', path),
      /users\.path +is not a file: name the file itself/,
    ],
    [
      'a symbolic link that leads nowhere',
      (path: string) => symlinkSync('nowhere', path),
      /users\.path +does not exist: check the path/,
    ],
  ] as [string, (path: string) => void, RegExp][]) {
    test(`${what} keeps the previous users, and the log says what is wrong and how to correct it`, async () => {
      const rejected = nextLine(gateway, 'users_rejected')
      replaceFile(create)
      const line = await rejected
      assert.match(line.message!, /^users\.path has changed, but the previous users stay in effect: /)
      assert.match(line.message!, message)
      assert.equal(await signIn(gateway, 'alice'), 200)
      assert.equal(await signIn(gateway, 'bob'), 401)
    })
  }

  test('a valid file again replaces the users, also with a byte order mark before them', async () => {
    const changed = nextLine(gateway, 'users_changed')
    replaceFile(write(`\ufeff${yaml({ bob })}`))
    await changed
    assert.equal(await signIn(gateway, 'alice'), 401)
    assert.equal(await signIn(gateway, 'bob'), 200)
  })

  test('the log contains no hash after all these files', () => {
    for (const { password_hash } of [alice, bob]) assert.ok(!gateway.output().includes(password_hash))
  })
})

test('a file of htpasswd with a byte order mark is read like one without it', async () => {
  const file = join(directory, 'htpasswd')
  writeFileSync(file, `\ufeffcarol:${bcryptHash}\n`, { mode: 0o600 })
  const gateway = await start(file)
  const response = await fetch(gateway.url, { headers: { authorization: `Basic ${btoa('carol:secret')}` } })
  assert.equal(response.status, 200)
})

describe('users.inline together with users.path', () => {
  test('adds its users to those of the file, and keeps them when the file changes', async () => {
    const file = join(directory, 'both.yml')
    writeFileSync(file, yaml({ alice }), { mode: 0o600 })
    const gateway = await start(file, { bob })
    for (const name of ['alice', 'bob'] as const) assert.equal(await signIn(gateway, name), 200, name)
    const changed = nextLine(gateway, 'users_changed')
    writeFileSync(`${file}.new`, yaml({ carol: users.carol }), { mode: 0o600 })
    renameSync(`${file}.new`, file)
    await changed
    assert.equal(await signIn(gateway, 'bob'), 200)
    assert.equal(await signIn(gateway, 'alice'), 401)
  })

  test('with the same user in both, the start fails and names the user', async () => {
    const file = join(directory, 'same.yml')
    writeFileSync(file, yaml({ alice, bob }), { mode: 0o600 })
    const { code, stderr } = await runElastauth(['serve', '--listen', '127.0.0.1:0'], {
      ...serviceAccount,
      ELASTAUTH_SECRET_KEY: '5eed'.padEnd(64, '0123'),
      ELASTAUTH_AUTH_PROVIDER: 'users',
      ELASTAUTH_USERS_PATH: file,
      ELASTAUTH_USERS_INLINE: JSON.stringify({ bob }),
    })
    assert.equal(code, 1)
    assert.match(stderr, /same\.yml +users\.path +has bob, who is in users\.inline too: keep one of them/)
  })

  test('a file that gets a user of users.inline is rejected, and the previous users stay in effect', async () => {
    const file = join(directory, 'conflict.yml')
    writeFileSync(file, yaml({ alice }), { mode: 0o600 })
    const gateway = await start(file, { bob })
    const rejected = nextLine(gateway, 'users_rejected')
    writeFileSync(`${file}.new`, yaml({ bob: { ...bob, password_hash: alice.password_hash } }), { mode: 0o600 })
    renameSync(`${file}.new`, file)
    assert.match((await rejected).message!, /has bob, who is in users\.inline too: keep one of them/)
    for (const name of ['alice', 'bob'] as const) assert.equal(await signIn(gateway, name), 200, name)
  })
})
