import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import manifest from '../../package.json' with { type: 'json' }
import { testKey } from '../support/gateway.ts'
import { findFreePort } from '../support/port.ts'
import { runElastauth, runHealth, runWithoutReader } from './elastauth-command.ts'
import { createFixture, serviceAccount } from './fixture.ts'

const { start } = await createFixture()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))
const env = { ELASTAUTH_SECRET_KEY: testKey, ELASTAUTH_DEFAULT_ROLES: 'viewer', ...serviceAccount }

function writeConfig(text: string): string {
  const file = join(directory, 'elastauth.yml')
  writeFileSync(file, text)
  return file
}

test('--help prints the usage, --version a version, and --generateKey a new key each time', async () => {
  const [help, version, key, other] = await Promise.all(
    ['--help', '--version', '--generateKey', '--generateKey'].map((flag) => runElastauth([flag])),
  )
  assert.match(help!.stdout, /^Usage: elastauth .*--config/s)
  assert.equal(version!.stdout, `${manifest.version}\n`)
  assert.match(key!.stdout, /^[0-9a-f]{64}\n$/)
  assert.notEqual(key!.stdout, other!.stdout)
  for (const { code, stderr } of [help!, version!, key!]) assert.deepEqual([code, stderr], [0, ''])
})

test('serve exits with 1 and a readable error if the port is in use', async () => {
  const occupant = createServer().listen(0, '127.0.0.1')
  await new Promise((listening) => occupant.once('listening', listening))
  const listen = `127.0.0.1:${(occupant.address() as { port: number }).port}`
  const { code, stderr } = await runElastauth(['--listen', listen], env)
  occupant.close()
  assert.equal(code, 1)
  assert.match(stderr, new RegExp(`listen.*in use by another program \\(${listen}\\): stop`))
  assert.doesNotMatch(stderr, /node:|at .*\.ts:/)
})

test('serve and config check list every configuration fault with its location and fix, and exit with 1', async () => {
  const file = writeConfig(
    'listen: ":99999"\nelasticsearch:\n  hots: [a]\ncache:\n  type: disk\n  expiration: 1 hour\n',
  )
  for (const command of [['config', 'check'], []]) {
    const { code, stdout, stderr } = await runElastauth([...command, '--config', file], {
      ...env,
      ELASTAUTH_LOG_LVL: 'info',
    })
    assert.equal(code, 1)
    const expected = [/:1\b.*listen/, /:3\b.*hots.*hosts/s, /:5\b.*cache\.type.*memory/s, /:6\b.*cache\.expiration/s]
    for (const fault of [...expected, /ELASTAUTH_LOG_LVL.*LOG_LEVEL/s]) assert.match(`${stdout}${stderr}`, fault)
    assert.doesNotMatch(`${stdout}${stderr}`, /at .*\.ts:/)
  }
})

test('the exit code of a command says what it found even if the reader of its output ends early', async () => {
  for (const args of [['config', 'check'], ['--help']]) {
    const { code, stderr } = await runWithoutReader(args, env, 'start')
    assert.equal(code, 0, String(args))
    assert.doesNotMatch(stderr, /EPIPE/)
  }
})

test('config check reports a valid configuration and exits with 0', async () => {
  const file = writeConfig('group_mappings:\n  admins: [superuser]\n')
  const { code, stdout } = await runElastauth(['config', 'check', '--config', file], env)
  assert.equal(code, 0)
  assert.match(stdout, /Configuration OK/)
})

test('serve exits with 1 and a readable error if the configuration file is missing or not YAML', async () => {
  for (const file of [join(directory, 'absent.yml'), writeConfig('a: [1\nb: }')]) {
    const { code, stderr } = await runElastauth(['--config', file], env)
    assert.equal(code, 1)
    assert.ok(stderr.includes(file.split('/').at(-1)!), stderr)
    assert.doesNotMatch(stderr, /at .*\.ts:/)
  }
})

test('suggests the correct spelling of a misspelled flag, and rejects a secret passed as a flag without repeating its value', async () => {
  const misspelled = await runElastauth(['--lisen', ':5000'], env)
  assert.notEqual(misspelled.code, 0)
  assert.match(misspelled.stderr, /--listen/)
  const secret = await runElastauth(['--elasticsearch.password', 'hunter2'], env)
  assert.notEqual(secret.code, 0)
  assert.doesNotMatch(secret.stderr, /hunter2/)
})

test('health exits with 0 while elastauth runs, and with 1 after it has stopped', async () => {
  const listen = `127.0.0.1:${await findFreePort()}` // which no other program gets after the stop
  const gateway = await start({ flags: { listen } })
  assert.equal((await runHealth(['--listen', listen])).code, 0)
  await gateway.stop()
  const afterStop = await runHealth(['--listen', listen])
  assert.equal(afterStop.code, 1)
  assert.match(afterStop.stderr, /does not respond/)
})
