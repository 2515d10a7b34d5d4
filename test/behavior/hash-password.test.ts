import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { verifyPasswordHash } from '../../src/providers/users/password-hashing.ts'
import { runCommand, runElastauth } from './elastauth-command.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const hasScript = spawnSync('script', ['--version']).stdout?.includes('util-linux') ?? false

/** Runs hash-password on a terminal, which `script` of util-linux provides. */
function startOnTerminal() {
  const child = spawn('script', ['-qec', `"${process.execPath}" "${main}" hash-password`, '/dev/null'])
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

const hashIn = (text: string) => /\$argon2id\$\S+/.exec(text)![0]
const [ctrlC, ctrlD] = ['\x03', '\x04']

describe('hash-password on a terminal', {
  skip: hasScript ? false : 'needs script of util-linux',
  timeout: 60_000,
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
