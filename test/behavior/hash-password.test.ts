import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { verifyPasswordHash } from '../../src/providers/users/password-hashing.ts'
import { runCommand, runElastauth } from './elastauth-command.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const hasScript = spawnSync('script', ['--version']).stdout?.includes('util-linux') ?? false

/** Runs hash-password on a terminal, which `script` of util-linux provides, and then says whether the terminal shows what is typed. */
function startOnTerminal() {
  const child = spawn('script', [
    '-qec',
    `"${process.execPath}" "${main}" hash-password; code=$?; ${echoState}; exit $code`,
    '/dev/null',
  ])
  after(() => child.kill())
  let shown = ''
  child.stdout.on('data', (chunk: Buffer) => {
    shown += chunk.toString('latin1')
  })
  return {
    type: (text: string | Buffer) => child.stdin.write(text),
    async until(prompt: string) {
      while (!shown.includes(prompt)) await once(child.stdout, 'data')
    },
    async end() {
      if (child.exitCode === null) await once(child, 'close')
      return { code: child.exitCode, shown }
    },
  }
}

const echoState = "stty -a | grep -qw -e -echo && printf '(echo is off)' || printf '(echo is on)'"

const hashIn = (text: string) => /\$argon2id\$\S+/.exec(text)![0]
const [ctrlC, ctrlD] = ['\x03', '\x04']

describe('hash-password on a terminal', {
  skip: hasScript ? false : 'needs script of util-linux',
  timeout: 600_000,
}, () => {
  test('asks twice, and shows neither the password nor what is typed before a prompt', async () => {
    const { until, type, end } = startOnTerminal()
    await until('Password: ')
    type('correct horse\rcorrect')
    await until('Again: ')
    type(' horse\r')
    const { code, shown } = await end()
    assert.equal(code, 0)
    assert.ok(!/correct|horse/.test(shown))
    assert.ok(await verifyPasswordHash('correct horse', hashIn(shown)))
  })

  test('removes the last character of more than one byte after backspace', async () => {
    const { until, type, end } = startOnTerminal()
    await until('Password: ')
    type('pass\u20ac\x7fw\u00f6rd\r')
    await until('Again: ')
    type('passw\u00f6rd\r')
    const { shown } = await end()
    assert.ok(await verifyPasswordHash('passw\u00f6rd', hashIn(shown)))
  })

  test('shows nothing but the prompts and the hash, which is printed to standard output', async () => {
    const { until, type, end } = startOnTerminal()
    await until('Password: ')
    type('correct horse\r')
    await until('Again: ')
    type('correct horse\r')
    const { shown } = await end()
    assert.match(shown, /^Password: \r\nAgain: \r\n\$argon2id\$\S+\r\n\(echo is on\)$/)
  })

  test('an empty password is rejected and not asked for again', async () => {
    const { until, type, end } = startOnTerminal()
    await until('Password: ')
    type('\r')
    const { code, shown } = await end()
    assert.equal(code, 1)
    assert.equal(shown, 'Password: \r\nelastauth: the password is empty\r\n(echo is on)')
  })

  for (const typed of ['corr\x03', 'correct\rcorr\x03', 'corr\x04', 'correct\rcorr\x04', 'one\rtwo\r']) {
    test(`after ${JSON.stringify(typed)}, the terminal shows again what is typed, and has shown no password`, async () => {
      const { until, type, end } = startOnTerminal()
      await until('Password: ')
      type(typed)
      const { code, shown } = await end()
      assert.notEqual(code, 0)
      assert.match(shown, /\(echo is on\)$/)
      assert.doesNotMatch(shown, /corr|one|two/)
    })
  }

  test('two different passwords are rejected', async () => {
    const { until, type, end } = startOnTerminal()
    await until('Password: ')
    type('one\rtwo\r')
    const { code, shown } = await end()
    assert.equal(code, 1)
    assert.match(shown, /elastauth: the passwords differ: try again/)
  })

  for (const typed of ['', 'abc\r', 'abc\rabc']) {
    test(`Ctrl-C after ${JSON.stringify(typed)} ends with exit code 130 and without a message`, async () => {
      const { until, type, end } = startOnTerminal()
      await until('Password: ')
      type(`${typed}${ctrlC}`)
      const { code, shown } = await end()
      assert.equal(code, 130)
      assert.doesNotMatch(shown, /elastauth:|\^C/)
    })
  }

  test('Ctrl-D at either prompt cancels', async () => {
    for (const typed of ['', 'abc\r']) {
      const { until, type, end } = startOnTerminal()
      await until('Password: ')
      type(`${typed}${ctrlD}`)
      const { code, shown } = await end()
      assert.equal(code, 1)
      assert.match(shown, /elastauth: canceled/)
    }
  })

  test('a password that is not UTF-8 is rejected before it is asked for again', async () => {
    const { until, type, end } = startOnTerminal()
    await until('Password: ')
    type(Buffer.from('p\xe4ss\r', 'latin1'))
    const { code, shown } = await end()
    assert.equal(code, 1)
    assert.match(shown, /elastauth: the password is not UTF-8: set the terminal/)
  })
})

describe('hash-password with a pipe', () => {
  test('a password that is not UTF-8 is rejected, as a hash of it would be that of another text', async () => {
    const { code, stdout, stderr } = await runElastauth(['hash-password'], {}, Buffer.from('p\xe4ss\n', 'latin1'))
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
    assert.match(stderr, /^elastauth: the password is not UTF-8/)
  })

  for (const end of ['', '\n', '\r\n']) {
    test(`hashes the text before ${JSON.stringify(end)}`, async () => {
      const { stdout } = await runElastauth(['hash-password'], {}, `p\u00e4ss${end}`)
      assert.ok(await verifyPasswordHash('p\u00e4ss', stdout.trim()))
    })
  }

  for (const [what, input, password] of [
    ['blanks at both ends', ' p\u00e4ss \n', ' p\u00e4ss '],
    ['1,024 bytes', `${'\u00e4'.repeat(512)}\n`, '\u00e4'.repeat(512)],
    ["Unicode's decomposed form (NFD)", 'pa\u0308ss\n', 'p\u00e4ss'],
  ] as const) {
    test(`hashes a password with ${what}`, async () => {
      const { stdout } = await runElastauth(['hash-password'], {}, input)
      assert.ok(await verifyPasswordHash(password, stdout.trim()))
    })
  }

  for (const [what, input, problem] of [
    ['no input', '', /the password is empty/],
    ['an empty line', '\n', /the password is empty/],
    ['an empty line that ends with CRLF', '\r\n', /the password is empty/],
    ['1,026 bytes in 513 characters', '\u00e4'.repeat(513), /the password is longer than 1024 bytes/],
    ['1 MB', 'x'.repeat(1_000_000), /the password is longer than 1024 bytes/],
    ['two lines that end with CRLF', 'one\r\ntwo\r\n', /more than one line/],
    ['a NUL', 'correct\0horse\n', /control character/],
    ['UTF-16', Buffer.from('\ufeffp\u00e4ss', 'utf16le'), /UTF-8/],
  ] as const) {
    test(`rejects ${what} with the reason in one line, and prints no hash`, async () => {
      const { code, stdout, stderr } = await runElastauth(['hash-password'], {}, input)
      assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
      assert.match(stderr, /^elastauth: [^\n]+\n$/)
      assert.match(stderr, problem)
    })
  }

  test('a Node.js without argon2id gets an error that says which one to use', async () => {
    const withoutArgon2 = `data:text/javascript,import crypto from 'node:crypto'; import { syncBuiltinESMExports } from 'node:module';
      crypto.argon2Sync = () => { throw new Error('unsupported') }; syncBuiltinESMExports()`
    const { code, stdout, stderr } = await runCommand(
      process.execPath,
      ['--import', withoutArgon2.replaceAll('\n', ''), main, 'hash-password'],
      { PATH: process.env.PATH },
      'pass\n',
    )
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
    assert.match(stderr, /^elastauth: this build of Node.js has no argon2id: use a Node.js with OpenSSL 3.2 or later/)
  })
})
