import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { testKey } from '../support/gateway.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture, sendSubRequest, serviceAccount } from './fixture.ts'

const { start, elasticsearch, elasticsearchUrl } = await createFixture()
const env = {
  ELASTAUTH_SECRET_KEY: testKey,
  ELASTAUTH_DEFAULT_ROLES: 'viewer',
  ELASTAUTH_ELASTICSEARCH_HOSTS: elasticsearchUrl,
  ...serviceAccount,
}
const users = (...args: string[]) => runElastauth(['users', ...args], env)

test('users list prints one line for each managed user, and neither foreign nor reserved users', async () => {
  const { url } = await start()
  for (const name of ['alice', 'bob'])
    assert.equal((await sendSubRequest(url, name, { 'Remote-Groups': 'a,b' })).status, 200)
  const { code, stdout, stderr } = await users('list')
  assert.deepEqual([code, stderr], [0, ''])
  assert.deepEqual(
    stdout.split('\n').map((line) => line.split(/ {2,}/)[0]),
    ['USER', 'alice', 'bob', ''],
  )
  assert.match(stdout, /^alice +enabled +20\d\d-\d\d-\d\dT[\d:.]+Z +known +viewer +a, b$/m)
})

test('users list --json prints one JSON object for each user, and escapes control characters', async () => {
  const { url } = await start()
  await sendSubRequest(url, 'carol')
  const carol = elasticsearch.users.get('carol')!
  elasticsearch.users.set('carol', { ...carol, metadata: { ...carol.metadata, groups: ['\u001b[31mred\u009b'] } })
  const { stdout } = await users('list', '--json')
  const listed = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
  const { last_use, ...found } = listed.find(({ username }) => username === 'carol')
  assert.deepEqual(found, {
    username: 'carol',
    state: 'enabled',
    roles: ['viewer'],
    groups: ['\u001b[31mred\u009b'],
    key_known: true,
  })
  assert.ok(Date.now() - Date.parse(last_use) < 600_000)
  const { stdout: text } = await users('list')
  assert.match(text, /\\u001b\[31mred\\u009b/)
  for (const output of [text, stdout]) assert.doesNotMatch(output, /[\u001b\u009b]/)
})

test('users list lists more users than one page has, and ends quietly when its reader ends', async () => {
  const { url } = await start()
  await sendSubRequest(url, 'many')
  const many = elasticsearch.users.get('many')!
  for (let i = 0; i < 2500; i++) elasticsearch.users.set(`many-${i}`, many)
  const { stdout } = await users('list')
  assert.equal(stdout.match(/^many-\d+ /gm)?.length, 2500)
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, 'users', 'list'], { env: { PATH: process.env.PATH, ...env } })
  child.stdout.once('data', () => child.stdout.destroy())
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  assert.deepEqual([await once(child, 'close'), errors], [[0, null], ''])
  for (let i = 0; i < 2500; i++) elasticsearch.users.delete(`many-${i}`)
})

test('users list names the problem in one line and exits with 1 if Elasticsearch cannot be reached or rejects the account', async () => {
  for (const fault of [
    { ELASTAUTH_ELASTICSEARCH_HOSTS: 'http://127.0.0.1:1' },
    { ELASTAUTH_ELASTICSEARCH_PASSWORD: 'wrong-password' },
  ]) {
    const { code, stdout, stderr } = await runElastauth(['users', 'list', '--json'], { ...env, ...fault })
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^elastauth: .+\n$/)
    assert.doesNotMatch(stderr, /wrong-password|at .*\.ts:/)
  }
})
