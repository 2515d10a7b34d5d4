import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { authorize, testKey } from '../support/gateway.ts'
import { runElastauth, runWithoutReader } from './elastauth-command.ts'
import { createFixture, serviceAccount } from './fixture.ts'

const { start, elasticsearch, elasticsearchUrl } = await createFixture()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-plan-'))
after(() => rmSync(directory, { recursive: true }))

const [current, next] = ['current', 'next'].map((name) => join(directory, `${name}.yml`)) as [string, string]
const write = (file: string, mappings: Record<string, string[]>) =>
  writeFileSync(file, JSON.stringify({ group_mappings: mappings, elasticsearch: { hosts: [elasticsearchUrl] } }))
const env = { ELASTAUTH_SECRET_KEY: testKey, ...serviceAccount }
const plan = (...args: string[]) => runElastauth(['plan', next, '--config', current, ...args], env)

before(async () => {
  write(current, { admins: ['viewer'], devs: ['dev'] })
  write(next, { admins: ['viewer', 'superuser'] })
  const gateway = await start({ flags: { config: current, 'elasticsearch.hosts': elasticsearchUrl } })
  for (const [name, groups] of [
    ['alice', 'admins'],
    ['bob', 'devs'],
  ] as const)
    assert.equal((await authorize(gateway, name, groups)).status, 200)
  await gateway.stop()
})

test('plan names the users who gain and lose roles, counts them, and writes nothing to Elasticsearch', async () => {
  const calls = elasticsearch.calls.length
  const { code, stdout, stderr } = await plan()
  assert.deepEqual([code, stderr], [0, ''])
  assert.equal(
    stdout,
    'alice: gains superuser\nbob: loses dev (no role is left: access is denied)\n' +
      'By the groups that Elasticsearch has stored: of 2 managed users, 1 gains roles, 1 loses roles, 1 would get no role\n',
  )
  const made = elasticsearch.calls.slice(calls).map(({ method, path }) => `${method} ${path.replace(/\?.*/, '')}`)
  assert.deepEqual(new Set(made), new Set(['POST /_security/_query/user']))
})

test('plan exits with 2 if more users gain roles than --max-gains allows, and with 0 otherwise', async () => {
  const [none, one] = await Promise.all([plan('--max-gains', '0'), plan('--max-gains', '1')])
  assert.equal(none.code, 2)
  assert.match(none.stderr, /users who gain roles: 1, more than --max-gains 0 allows/)
  assert.deepEqual([one.code, one.stderr], [0, ''])
})

test('plan exits as without a pipe if its reader ends early', async () => {
  const alice = elasticsearch.users.get('alice')!
  for (let i = 0; i < 2500; i++) elasticsearch.users.set(`alice-${i}`, alice)
  const args = ['plan', next, '--config', current, '--max-gains', '1']
  const { code, stderr } = await runWithoutReader(args, env, 'first output')
  assert.deepEqual([code, stderr], [2, 'elastauth: users who gain roles: 2501, more than --max-gains 1 allows\n'])
  for (let i = 0; i < 2500; i++) elasticsearch.users.delete(`alice-${i}`)
})

test('plan --json prints one document with the users and a summary', async () => {
  const { code, stdout } = await plan('--json', '--max-gains', '5')
  assert.equal(code, 0)
  assert.deepEqual(JSON.parse(stdout), {
    users: [
      { username: 'alice', gains: ['superuser'], loses: [], denied: false },
      { username: 'bob', gains: [], loses: ['dev'], denied: true },
    ],
    summary: { managed: 2, gaining: 1, losing: 1, denied: 1, unknown: 0, max_gains: 5 },
  })
})

test('plan escapes control characters in the names of users, which a terminal would interpret, as lines and as JSON', async () => {
  const name = 'eve\u009b31m'
  elasticsearch.users.set(name, elasticsearch.users.get('alice')!)
  try {
    const [lines, json] = await Promise.all([plan(), plan('--json')])
    assert.doesNotMatch(lines.stdout + json.stdout, /\u009b/)
    assert.ok(JSON.parse(json.stdout).users.some(({ username }: { username: string }) => username === name))
  } finally {
    elasticsearch.users.delete(name)
  }
})

test('plan exits with 1 for usage errors, a faulty configuration, and an Elasticsearch that cannot be read', async () => {
  const runs = await Promise.all([
    runElastauth(['plan'], env),
    plan('--max-gains', 'many'),
    plan('--max-gain', '1'),
    runElastauth(['plan', join(directory, 'absent.yml'), '--config', current], env),
    plan('--elasticsearch.hosts', 'http://127.0.0.1:1'),
    plan('--elasticsearch.dry_run', 'true'),
  ])
  assert.deepEqual(
    runs.map(({ code }) => code),
    [1, 1, 1, 1, 1, 1],
  )
  assert.match(runs[4]!.stderr, /cannot be listed: .+: `elastauth doctor` finds the cause/)
})

test('a reload that changes group_mappings logs for how many users, and one that does not logs nothing about it', async () => {
  const file = join(directory, 'reloaded.yml')
  write(file, { admins: ['viewer'] })
  const gateway = await start({ flags: { config: file, 'elasticsearch.hosts': elasticsearchUrl } })
  const reload = async () => {
    const seen = gateway.log.length
    gateway.process.kill('SIGHUP')
    await gateway.logged(
      (line) => gateway.log.indexOf(line) >= seen && /^configuration reload/.test(line.message ?? ''),
    )
  }
  await reload()
  write(file, { admins: ['viewer', 'superuser'] })
  await reload()
  const line = await gateway.logged((one) => one['event.action'] === 'roles_compared')
  assert.equal(
    line.message,
    'the reload changes roles at the next request: of 2 managed users, 1 gains roles, 0 lose roles, 0 would get no role (elastauth plan names them)',
  )
  assert.equal(gateway.log.filter((one) => one['event.action'] === 'roles_compared').length, 1)
  await gateway.stop()
})

test('a reload succeeds while Elasticsearch does not respond, and a line says that the roles could not be compared', async () => {
  const file = join(directory, 'unreachable.yml')
  write(file, { admins: ['viewer'] })
  const gateway = await start({ flags: { config: file, 'elasticsearch.hosts': 'http://127.0.0.1:1' } })
  write(file, { admins: ['superuser'] })
  gateway.process.kill('SIGHUP')
  await gateway.logged(({ message = '' }) => message.startsWith('configuration reloaded'))
  await gateway.logged(({ message = '' }) => message.startsWith('cannot tell whose roles the reload changes'))
  assert.equal(await gateway.stop(), 0)
})
