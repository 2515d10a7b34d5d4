import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { hashPassword } from '../../src/providers/users/password-hashing.ts'
import type { Gateway } from '../support/gateway.ts'
import { exchange, headersOf } from '../support/raw-http.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture, serviceAccount } from './fixture.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-users-'))
after(() => rmSync(directory, { recursive: true }))
const fixture = await createFixture()
const hash = await hashPassword('correct horse')
/** `htpasswd -nbB carol secret` */
const bcryptHash = '$2y$05$ZetFpq7u.RN9TgiF.A0IFO6i5oCbtKfEwtF.os808zwmi96NN7NSi'

function write(name: string, text: string): string {
  const file = join(directory, name)
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
  return file
}

const bob = `  bob:\n    password_hash: ${hash}\n    groups: [admins]\n`
const carol = `  carol:\n    password_hash: ${bcryptHash}\n    email: carol@example.com\n    name: Carol\n`
const eve = `  eve:\n    password_hash: ${hash}\n    disabled: true\n`

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** From another network for each call, so that failed attempts of one test do not block another. */
let lastNetwork = 0
function newNetwork(): Record<string, string> {
  lastNetwork++
  return { 'X-Forwarded-For': `203.0.113.${lastNetwork}` }
}

async function signIn({ url }: Pick<Gateway, 'url'>, authorization: string, headers = newNetwork()) {
  const response = await fetch(url, { headers: { authorization, ...headers } })
  const { error } = response.ok ? { error: undefined } : ((await response.json()) as { error: string })
  return { status: response.status, error, headers: response.headers }
}

/** The user whose credential a response contains, if Elasticsearch accepts it. */
async function usernameAt(headers: Headers): Promise<string | undefined> {
  const authorization = headers.get('authorization')!
  assert.equal((await fixture.logIn(authorization)).status, 200)
  return Buffer.from(authorization.replace('Basic ', ''), 'base64').toString().split(':')[0]
}

function start(file: string, flags: Record<string, string> = {}): Promise<Gateway> {
  return fixture.start({ flags: { auth_provider: 'users', 'users.path': file, ...flags } })
}

const gateway = await start(write('users.yml', `users:\n${bob}${carol}${eve}`))

describe('the provider users', () => {
  test('a user of users.path with the right password gets a credential that Elasticsearch accepts', async () => {
    const { status, headers } = await signIn(gateway, basic('bob', 'correct horse'))
    assert.equal(status, 200)
    assert.equal(await usernameAt(headers), 'bob')
  })

  test('a bcrypt hash that htpasswd has written is accepted', async () => {
    assert.equal((await signIn(gateway, basic('carol', 'secret'))).status, 200)
  })

  for (const [what, authorization] of [
    ['a wrong password', basic('bob', 'wrong')],
    ['an unknown user', basic('mallory', 'correct horse')],
    ['a disabled user', basic('eve', 'correct horse')],
    ['no colon', `Basic ${Buffer.from('bob').toString('base64')}`],
    ['a NUL in the username', basic('bob\0', 'correct horse')],
    ['a NUL in the password', basic('bob', 'correct horse\0')],
    ['an empty password', basic('bob', '')],
    ['invalid Base64', 'Basic b*b'],
    ['no Base64', 'Basic'],
    ['invalid UTF-8', `Basic ${Buffer.from('bob:\xff', 'latin1').toString('base64')}`],
    ['a full-width username', basic('\uff42ob', 'correct horse')],
    ['a username with a combining character', basic('bo\u0301b', 'correct horse')],
    ['a password of 1,400 bytes', basic('bob', 'x'.repeat(1400))],
  ]) {
    test(`rejects Basic with ${what} with 401, and asks for a password`, async () => {
      const forwardedFor = `X-Forwarded-For: ${newNetwork()['X-Forwarded-For']}`
      const lines = ['GET / HTTP/1.1', 'Host: a', `Authorization: ${authorization}`, forwardedFor]
      const response = await exchange(gateway.url, lines)
      assert.equal(response.status, 401)
      assert.equal(JSON.parse(response.body).error, 'credential_invalid')
      assert.deepEqual(headersOf(response, 'www-authenticate'), ['Basic realm="elastauth", charset="UTF-8"'])
    })
  }

  test('rejects two Authorization headers with 400', async () => {
    const line = `Authorization: ${basic('bob', 'correct horse')}`
    for (const other of [
      line,
      `authorization: ${basic('carol', 'secret')}`,
      'Authorization: Bearer x',
      'Authorization:',
    ]) {
      for (const lines of [
        [line, other],
        [other, line],
      ]) {
        const { status, body } = await exchange(gateway.url, ['GET / HTTP/1.1', 'Host: a', ...lines])
        assert.equal(status, 400, lines.join())
        assert.match(body, /"identity_invalid"/)
      }
    }
  })

  test('a cross-site write with a password that the browser has added is rejected as CSRF', async () => {
    const { status, error } = await signIn(gateway, basic('bob', 'correct horse'), {
      ...newNetwork(),
      'Sec-Fetch-Site': 'cross-site',
      'X-Forwarded-Method': 'POST',
    })
    assert.deepEqual({ status, error }, { status: 403, error: 'cross_site' })
  })

  test('a script of a page, such as a request of Kibana, is not asked for a password, so that no dialog opens', async () => {
    const response = await fetch(gateway.url, { headers: { 'Sec-Fetch-Mode': 'cors' } })
    assert.equal(response.status, 401)
    assert.equal(response.headers.get('www-authenticate'), null)
  })

  test('the log contains neither passwords nor hashes', async () => {
    await signIn(gateway, basic('bob', 'tr0ub4dor'))
    await gateway.logged((line) => line['user.name'] === 'bob' && line['error.code'] === 'credential_invalid')
    for (const secret of ['tr0ub4dor', 'correct horse', hash, basic('bob', 'tr0ub4dor')])
      assert.ok(!gateway.output().includes(secret))
  })
})

describe('the forms of a password', async () => {
  const [composed, decomposed] = ['p\u00e4ss w\u00f6rt', 'pa\u0308ss wo\u0308rt']
  const fitting = `${'\u00e4'.repeat(35)}xx` // 72 bytes in UTF-8
  const userOf = (name: string, passwordHash: string) => `  ${name}: {password_hash: "${passwordHash}"}\n`
  const entries = [
    userOf('nfc', await hashPassword(composed)),
    userOf('nfd', await hashPassword(decomposed)),
    userOf('bcrypt-nfc', hashSync(composed, 4)),
    userOf('bcrypt-nfd', hashSync(decomposed, 4)),
    userOf('fitting', hashSync(fitting, 4)),
    userOf('too-long', hashSync(`${fitting}y`, 4)),
  ]
  const gateway = await start(write('forms.yml', `users:\n${entries.join('')}`))

  for (const name of ['nfc', 'nfd', 'bcrypt-nfc']) {
    test(`a password in Unicode's composed and decomposed form is the same password, for the user ${name}`, async () => {
      for (const password of [composed, decomposed])
        assert.equal((await signIn(gateway, basic(name, password))).status, 200)
      assert.equal((await signIn(gateway, basic(name, 'pass wort'))).status, 401)
    })
  }

  test('a bcrypt hash that another tool has made of a decomposed password is never matched, as docs/users.md says', async () => {
    for (const password of [composed, decomposed])
      assert.equal((await signIn(gateway, basic('bcrypt-nfd', password))).status, 401)
  })

  test('a password of 72 bytes is accepted with bcrypt', async () => {
    assert.equal((await signIn(gateway, basic('fitting', fitting))).status, 200)
  })

  test('a password of more than 72 bytes is rejected with bcrypt, which would ignore the rest', async () => {
    assert.equal((await signIn(gateway, basic('fitting', `${fitting}y`))).status, 401)
    for (const password of [fitting, `${fitting}y`, `${fitting}z`])
      assert.equal((await signIn(gateway, basic('too-long', password))).status, password === fitting ? 200 : 401)
  })

  test('a password of 1 MB by Basic gets 431 without a check, and other requests are served', async () => {
    const lines = ['GET / HTTP/1.1', 'Host: a', `Authorization: ${basic('nfc', 'x'.repeat(1_000_000))}`]
    assert.equal((await exchange(gateway.url, lines)).status, 431)
    assert.equal((await signIn(gateway, basic('nfc', composed))).status, 200)
  })

  test('a password of 1,024 bytes is accepted, and one of 1,025 bytes is rejected even with its own hash', async () => {
    const hashes = await Promise.all([1024, 1025].map((length) => hashPassword('x'.repeat(length))))
    const gateway = await start(write('limit.yml', `users:\n${userOf('max', hashes[0]!)}${userOf('more', hashes[1]!)}`))
    assert.equal((await signIn(gateway, basic('max', 'x'.repeat(1024)))).status, 200)
    assert.equal((await signIn(gateway, basic('more', 'x'.repeat(1025)))).status, 401)
  })
})

describe('where passwords are the only provider', () => {
  test('identity headers do not authenticate a request, and do not change who a password belongs to', async () => {
    const headers = { 'Remote-User': 'alice', 'Remote-Groups': 'admins', ...newNetwork() }
    const without = await fetch(gateway.url, { headers })
    assert.equal(without.status, 401)
    const { status, headers: response } = await signIn(gateway, basic('carol', 'secret'), headers)
    assert.equal(status, 200)
    assert.equal(await usernameAt(response), 'carol')
  })
})

describe('the order of auth_providers', () => {
  test('decides between identity headers and a password in one request', async () => {
    const file = write('order.yml', `users:\n${bob}`)
    const withHeaders = { 'Remote-User': 'alice', ...newNetwork() }
    for (const [auth_providers, username] of [
      ['users,authelia', 'bob'],
      ['authelia,users', 'alice'],
    ] as const) {
      const gateway = await fixture.start({ flags: { auth_providers, 'users.path': file } })
      const { headers } = await signIn(gateway, basic('bob', 'correct horse'), withHeaders)
      assert.equal(await usernameAt(headers), username)
    }
  })

  test('a wrong password does not fall through to identity headers', async () => {
    const flags = { auth_providers: 'users,authelia', 'users.path': write('fall.yml', `users:\n${bob}`) }
    const gateway = await fixture.start({ flags })
    const { status } = await signIn(gateway, basic('bob', 'wrong'), { 'Remote-User': 'alice', ...newNetwork() })
    assert.equal(status, 401)
  })
})

describe('a change of users.path', () => {
  test('a user who is removed or disabled, or whose password is changed, is rejected at once, although the password was remembered', async () => {
    const entries = (...names: string[]) => `users:\n${names.map((name) => bob.replace('bob', name)).join('')}`
    const file = write('changing.yml', entries('bob', 'dan', 'fay', 'kim'))
    const gateway = await start(file)
    for (const name of ['bob', 'dan', 'fay', 'kim'])
      assert.equal((await signIn(gateway, basic(name, 'correct horse'))).status, 200, name)
    const disabled = bob.replace('bob', 'dan').replace('groups: [admins]', 'disabled: true')
    const changed = bob.replace('bob', 'fay').replace(hash, await hashPassword('another'))
    write('changing.yml', `${entries('kim')}${disabled}${changed}`)
    await gateway.logged((line) => line['event.action'] === 'users_changed')
    for (const name of ['bob', 'dan', 'fay'])
      assert.equal((await signIn(gateway, basic(name, 'correct horse'))).status, 401, name)
    assert.equal((await signIn(gateway, basic('kim', 'correct horse'))).status, 200)
    assert.equal((await signIn(gateway, basic('fay', 'another'))).status, 200)
  })

  test('a file with a fault keeps the previous users, and the log names file, line and fix', async () => {
    const file = write('broken.yml', `users:\n${bob}`)
    const gateway = await start(file)
    write('broken.yml', `users:\n${bob}  dan:\n    password_hash: plain\n`)
    const { message } = await gateway.logged((line) => line['event.action'] === 'users_rejected')
    assert.match(
      message!,
      /broken\.yml:6 +users\.dan\.password_hash +is not a hash of argon2id or bcrypt: write the output/,
    )
    assert.equal((await signIn(gateway, basic('bob', 'correct horse'))).status, 200)
  })

  test('a symbolic link that leads to another file, as Kubernetes replaces it, is a change', async () => {
    write('first.yml', `users:\n${bob}`)
    write('second.yml', `users:\n${carol}`)
    const link = join(directory, 'link.yml')
    symlinkSync('first.yml', link)
    const gateway = await start(link)
    symlinkSync('second.yml', `${link}.new`)
    renameSync(`${link}.new`, link)
    await gateway.logged((line) => line['event.action'] === 'users_changed')
    assert.equal((await signIn(gateway, basic('carol', 'secret'))).status, 200)
  })
})

describe('guessing', () => {
  test('five wrong passwords block a user from that network only, before another hash is computed, and say when to try again', async () => {
    const gateway = await start(write('limits.yml', `users:\n${bob}`))
    const network = newNetwork()
    for (let i = 0; i < 5; i++) assert.equal((await signIn(gateway, basic('bob', `wrong ${i}`), network)).status, 401)
    const { status, error, headers } = await signIn(gateway, basic('bob', 'correct horse'), network)
    assert.deepEqual({ status, error }, { status: 429, error: 'too_many_attempts' })
    assert.match(headers.get('retry-after')!, /^(?:300|2\d\d)$/)
    assert.equal((await signIn(gateway, basic('bob', 'correct horse'))).status, 200)
    const line = await gateway.logged((one) => one['event.action'] === 'guessing_limited')
    assert.equal(line['event.reason'], 'user_network')
    assert.equal(line['user.name'], 'bob')
  })
})

describe('the commands', () => {
  test('hash-password prints the hash of a line from a pipe, and nothing else', async () => {
    const { code, stdout } = await runElastauth(['hash-password'], {}, 'correct horse\n')
    assert.equal(code, 0)
    assert.match(stdout, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}\n$/)
    const gateway = await start(write('hashed.yml', `users:\n  bob: {password_hash: "${stdout.trim()}"}\n`))
    assert.equal((await signIn(gateway, basic('bob', 'correct horse'))).status, 200)
  })

  for (const [what, input] of [
    ['no password', ''],
    ['two lines', 'one\ntwo\n'],
    ['a password of 1,025 bytes', 'x'.repeat(1025)],
  ]) {
    test(`hash-password rejects ${what} from a pipe`, async () => {
      const { code, stdout, stderr } = await runElastauth(['hash-password'], {}, input)
      assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
      assert.match(stderr, /^elastauth: the (?:password|input) /)
    })
  }

  test('config check and the start report the faults of an htpasswd file with line and fix', async () => {
    const file = write('htpasswd', `carol:${bcryptHash}\nbob:$apr1$abc$def\ncarol:${bcryptHash}\n`)
    const env = {
      ELASTAUTH_SECRET_KEY: '5eed'.padEnd(64, '0123'),
      ELASTAUTH_USERS_PATH: file,
      ELASTAUTH_AUTH_PROVIDER: 'users',
    }
    for (const args of [
      ['config', 'check'],
      ['serve', '--listen', '127.0.0.1:0'],
    ]) {
      const { code, stderr } = await runElastauth(args, { ...serviceAccount, ...env })
      assert.equal(code, 1)
      assert.match(stderr, /htpasswd:2 +bob +is not a hash of argon2id or bcrypt: write it with `htpasswd -B`/)
      assert.match(stderr, /htpasswd:3 +carol +is set twice, first in line 1: keep one of them/)
    }
  })
})
