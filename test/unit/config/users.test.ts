import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { parsePasswordHash } from '../../../config/formats/password-hash.ts'
import { readUsersFile } from '../../../config/sources/users-file.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-users-'))
after(() => rmSync(directory, { recursive: true }))
const file = join(directory, 'users')
const hash = `$argon2id$v=19$m=19456,t=2,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`
const bcrypt = `$2y$10$${'c'.repeat(53)}`

function read(text: string) {
  writeFileSync(file, text, { mode: 0o600 })
  return readUsersFile(file)
}

/** The lines, keys and problems of a file's faults. */
function faultsOf(text: string): string[] {
  const faults = read(text)
  assert.ok(Array.isArray(faults), 'the file is accepted')
  for (const { fix } of faults) assert.ok(fix)
  return faults.map(({ line, key, problem }) => `${line} ${key} ${problem}`)
}

describe('a YAML file of users', () => {
  test('has users with all their fields, or only with a hash', () => {
    const text = `users:\n  bob:\n    password_hash: ${hash}\n    groups: [a, b]\n    email: bob@example.com\n    name: Bob\n    disabled: true\n  carol: {password_hash: ${bcrypt}}\n`
    assert.deepEqual(read(text), {
      bob: { password_hash: hash, groups: ['a', 'b'], email: 'bob@example.com', name: 'Bob', disabled: true },
      carol: { password_hash: bcrypt, groups: [], email: null, name: null, disabled: false },
    })
  })

  test("of Authelia is accepted, with its own names for a user's hash and name", () => {
    const text = `users:\n  bob:\n    disabled: false\n    displayname: Bob\n    password: "${hash}"\n    email: bob@example.com\n    groups:\n      - admins\n`
    assert.deepEqual(read(text), {
      bob: { password_hash: hash, groups: ['admins'], email: 'bob@example.com', name: 'Bob', disabled: false },
    })
  })

  test('is accepted as docs/users.md shows it', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/users.md'), 'utf8')
    const [, example] = /```text\n(users:\n.*?)```/s.exec(page)!
    assert.deepEqual(Object.keys(read(example!)), ['bob', 'carol'])
  })

  for (const [what, text, fault] of [
    [
      'a plain password',
      'users:\n  bob:\n    password_hash: secret\n',
      '3 users.bob.password_hash is not a hash of argon2id or bcrypt',
    ],
    ['no hash', 'users:\n  bob:\n    groups: []\n', '2 users.bob has no password_hash'],
    [
      'an unknown field',
      `users:\n  bob:\n    password_hash: ${hash}\n    group: [a]\n`,
      '4 users.bob.group has the unknown key "group"',
    ],
    [
      'a reserved name',
      `users:\n  elastic: {password_hash: "${hash}"}\n`,
      '2 users.elastic has the username "elastic", which is reserved by Elasticsearch',
    ],
    [
      'a name in another Unicode form',
      `users:\n  bo\u0301b: {password_hash: "${hash}"}\n`,
      '2 users.bo\u0301b has the username "bo\u0301b", which is not a valid username',
    ],
    [
      'a name with a colon',
      `users:\n  "b:b": {password_hash: "${hash}"}\n`,
      '2 users.b:b has the username "b:b", which is not a valid username',
    ],
    [
      'names that differ only in case',
      `users:\n  bob: {password_hash: "${hash}"}\n  Bob: {password_hash: "${hash}"}\n`,
      '3 users.Bob has "Bob" and "bob", which differ only in case',
    ],
    [
      'a user twice',
      `users:\n  bob: {password_hash: "${hash}"}\n  bob: {password_hash: "${hash}"}\n`,
      '3 users.bob is set twice, first in line 2',
    ],
    [
      'text as groups',
      `users:\n  bob:\n    password_hash: ${hash}\n    groups: {a: b}\n`,
      '4 users.bob.groups is not a list of groups',
    ],
    ['a list of users', 'users:\n  - bob\n', '2 users is not a map of usernames to users'],
    ['another key at the top', `bob: {password_hash: "${hash}"}\n`, '1 bob is not a key of this file'],
    ['no users', 'users:\n', '1 users.path has no users'],
    ['no content', '', '1 users.path has no users'],
    ['__proto__ as a user', `users:\n  __proto__: {password_hash: "${hash}"}\n`, '2 users.__proto__ cannot be a key'],
  ]) {
    test(`with ${what} has a fault in its line`, () => {
      assert.deepEqual(faultsOf(text!), [fault])
    })
  }

  test('that other users of the machine can write is rejected', () => {
    writeFileSync(file, `users:\n  bob: {password_hash: "${hash}"}\n`)
    chmodSync(file, 0o602)
    const faults = readUsersFile(file, () => false)
    assert.ok(Array.isArray(faults))
    assert.equal(faults[0].problem, 'can be written by every user of this machine')
    chmodSync(file, 0o600)
  })
})

describe('a file of htpasswd', () => {
  test('has users without groups; comments and empty lines are skipped', () => {
    const user = { password_hash: bcrypt, groups: [], email: null, name: null, disabled: false }
    assert.deepEqual({ ...read(`# users\n\nbob:${bcrypt}\r\ncarol:${bcrypt}\n`) }, { bob: user, carol: user })
  })

  test('with hashes other than bcrypt has a fault for each', () => {
    const problem = 'is not a hash of argon2id or bcrypt'
    assert.deepEqual(faultsOf('a:$apr1$x$y\nb:{SHA}abc\nc:plain\nd\n'), [
      `1 a ${problem}`,
      `2 b ${problem}`,
      `3 c ${problem}`,
      '4 users has no colon',
    ])
  })
})

describe('a password hash', () => {
  for (const [text, problem] of [
    [hash.replace('m=19456', 'm=262145'), /more than 256 MiB/],
    [hash.replace('t=2', 't=33'), /more than 32 passes/],
    [hash.replace('p=1', 'p=17'), /more than 16 lanes/],
    [hash.replace('m=19456,t=2,p=1', 'm=8,t=1,p=2'), /less than 8 KiB/],
    [hash.replace('v=19', 'v=16'), /not a complete/],
    [hash.slice(0, -30), /not a complete/],
    [hash.replace('argon2id', 'argon2i'), /not a hash/],
    [bcrypt.replace('10', '16'), /cost above 15/],
    [bcrypt.replace('10', '03'), /cost below 4/],
    [bcrypt.slice(0, -1), /not a complete/],
  ] as const) {
    test(`${text.slice(0, 40)}… is rejected with its reason, and without the hash`, () => {
      const parsed = parsePasswordHash(text)
      assert.ok(typeof parsed === 'string')
      assert.match(parsed, problem)
      assert.ok(!parsed.includes('aaaa') && !parsed.includes('cccc'))
    })
  }
})
