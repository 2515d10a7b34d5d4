import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testKey } from '../support/gateway.ts'
import { runElastauth, runWithoutReader } from './elastauth-command.ts'
import { createFixture, sendSubRequest, serviceAccount } from './fixture.ts'

const { start, elasticsearch, elasticsearchUrl, logIn } = await createFixture()
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
  assert.match(stdout, /^alice +enabled +20\d\d-\d\d-\d\dT[\d:.]+Z +- +known +viewer +a, b$/m)
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
    not_before: null,
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
  const ended = await runWithoutReader(['users', 'list'], env, 'first output')
  assert.deepEqual(ended, { code: 0, signal: null, stderr: '' })
  for (let i = 0; i < 2500; i++) elasticsearch.users.delete(`many-${i}`)
})

test('users list names the problem and `elastauth doctor` in one line and exits with 1 if Elasticsearch cannot be reached or rejects the account', async () => {
  for (const fault of [
    { ELASTAUTH_ELASTICSEARCH_HOSTS: 'http://127.0.0.1:1' },
    { ELASTAUTH_ELASTICSEARCH_PASSWORD: 'wrong-password' },
  ]) {
    const { code, stdout, stderr } = await runElastauth(['users', 'list', '--json'], { ...env, ...fault })
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^elastauth: .+: `elastauth doctor` finds the cause\n$/)
    assert.doesNotMatch(stderr, /wrong-password|at .*\.ts:/)
  }
})

const clean = (text: string) => text.replace(/20\d\d-\d\d-\d\dT[\d:.]+Z/g, 'TIME')

test('users show prints one user with API keys, as text and as JSON', async () => {
  const { url } = await start()
  await sendSubRequest(url, 'dora', {
    'Remote-Groups': 'staff',
    'Remote-Name': 'Dora D',
    'Remote-Email': 'd@example.com',
  })
  elasticsearch.keys.set('ApiKey dora', { username: 'dora', id: 'key-1', name: 'laptop\u001b[31m' })
  const { code, stdout } = await users('show', 'dora')
  assert.equal(code, 0)
  assert.equal(
    clean(stdout),
    [
      'user        dora',
      'name        Dora D',
      'email       d@example.com',
      'state       enabled',
      'last use    TIME',
      'not before  -',
      'key         known',
      'roles       viewer',
      'groups      staff',
      'API keys    1 active',
      '            key-1 laptop\\u001b[31m',
      'sessions    in the memory of the replicas, or none',
      '',
    ].join('\n'),
  )
  const json = JSON.parse((await users('show', 'dora', '--json')).stdout)
  assert.deepEqual(
    [json.name, json.api_keys, json.not_before],
    ['Dora D', [{ id: 'key-1', name: 'laptop\u001b[31m' }], null],
  )
})

test('users revoke ends the password and, with switches, disables the user and invalidates API keys, and exits with 0 once no credential works', async () => {
  const { url } = await start()
  const { authorization } = Object.fromEntries((await sendSubRequest(url, 'erin')).headers)
  for (const id of ['1', '2']) elasticsearch.keys.set(`ApiKey ${id}`, { username: 'erin', id, name: `key ${id}` })
  elasticsearch.keys.set('ApiKey other', { username: 'frank', id: '3', name: 'other' })

  const withKeys = await users('revoke', 'erin')
  assert.equal(withKeys.code, 1)
  assert.equal(
    clean(withKeys.stdout),
    [
      'erin: revoked at TIME',
      '✓ the former password is rejected',
      '✓ the time of the revocation is stored: TIME',
      '✗ no API key is active: 2 active (key 1, key 2): run this again with --api-keys, or invalidate them in Kibana',
      '- the person is identified by authelia in each request, so the next one is accepted: use --disable, or remove the person there',
      '- the person can sign in again: use --disable, or disable the account at the identity provider',
      '- without Redis, each replica notices at its next check of the credential (cache.revalidate, 60 s); until then it may return the former password, which Elasticsearch rejects',
      '',
    ].join('\n'),
  )
  assert.match(withKeys.stderr, /"event.action":"user_revoked".*"user.name":"erin"/)
  assert.equal((await logIn(authorization)).status, 401)
  assert.equal(elasticsearch.keys.size, 4)

  const complete = await users('revoke', 'erin', '--disable', '--api-keys', '--json')
  assert.equal(complete.code, 0)
  const { not_before, ...report } = JSON.parse(complete.stdout)
  assert.ok(Math.abs(Date.now() - Date.parse(not_before)) < 600_000)
  assert.deepEqual(
    { ...report, checks: report.checks.map(({ check, ok }: { check: string; ok: boolean }) => [check, ok]), notes: 0 },
    {
      username: 'erin',
      dry_run: false,
      disabled: true,
      checks: [
        ['the former password is rejected', true],
        ['the time of the revocation is stored', true],
        ['the user is disabled', true],
        ['no API key is active', true],
      ],
      notes: 0,
    },
  )
  assert.deepEqual([...elasticsearch.keys.keys()].sort(), ['ApiKey dora', 'ApiKey other'])
  assert.equal((await sendSubRequest((await start()).url, 'erin')).status, 403)
  const { stdout } = await users('list')
  assert.match(clean(stdout), /^erin +disabled +TIME +TIME +known/m)
})

test('users revoke --api-keys invalidates keys that were created with a key of the user, and keeps those of another realm', async () => {
  const { url } = await start()
  await sendSubRequest(url, 'ivan')
  const realms = { own: 'default_native', derived: '_es_api_key', other: 'ldap1' }
  for (const [name, realm] of Object.entries(realms))
    elasticsearch.keys.set(`ApiKey ${name}`, { username: 'ivan', id: name, name, realm })
  const without = await users('revoke', 'ivan')
  assert.match(without.stdout, /✗ no API key is active: 2 active \(own, derived\)/)
  const { code, stdout } = await users('revoke', 'ivan', '--api-keys')
  assert.equal(code, 0, stdout)
  assert.match(stdout, /✓ no API key is active: 2 invalidated/)
  assert.deepEqual(
    [...elasticsearch.keys].filter(([, { username }]) => username === 'ivan').map(([key]) => key),
    ['ApiKey other'],
  )
  elasticsearch.keys.delete('ApiKey other')
})

test('users revoke says that a user whom user_retention disabled can sign in again, unless it disables the user', async () => {
  const { url } = await start()
  await sendSubRequest(url, 'judy')
  const { metadata, ...judy } = elasticsearch.users.get('judy')!
  const elastauth = { ...(metadata.elastauth as object), disabled_idle: 1 }
  elasticsearch.users.set('judy', { ...judy, enabled: false, metadata: { ...metadata, elastauth } })
  const canSignIn = /^- the person can sign in again: /m
  for (const more of [['--dry-run'], []]) {
    const { stdout } = await users('revoke', 'judy', ...more)
    assert.match(stdout, canSignIn)
    assert.doesNotMatch(stdout, /, disabled$/m)
  }
  assert.match((await users('revoke', 'judy', '--disable', '--dry-run')).stdout, /^- would disable the user$/m)
  const { code, stdout } = await users('revoke', 'judy', '--disable')
  assert.deepEqual([code, canSignIn.test(stdout)], [0, false], stdout)
  assert.match(stdout, /^judy: revoked at .*, disabled$/m)
})

test('users revoke exits with 1 if a check does not hold, even if the reader of its report has ended', async () => {
  const { url } = await start()
  await sendSubRequest(url, 'kate')
  elasticsearch.keys.set('ApiKey kate', { username: 'kate', id: 'kate', name: 'kate' })
  const { code, signal } = await runWithoutReader(['users', 'revoke', 'kate'], env, 'start')
  assert.deepEqual([code, signal], [1, null])
  elasticsearch.keys.delete('ApiKey kate')
})

test('users enable enables a disabled user, keeps the time of the revocation, and says if the user was enabled', async () => {
  const { url } = await start()
  await sendSubRequest(url, 'gina')
  await users('revoke', 'gina', '--disable')
  const notBefore = () => (elasticsearch.users.get('gina')!.metadata.elastauth as { not_before: number }).not_before
  const before = notBefore()
  assert.equal((await users('enable', 'gina', '--dry-run')).stdout, 'gina: would be enabled\n')
  assert.equal(elasticsearch.users.get('gina')!.enabled, false)
  assert.deepEqual(await users('enable', 'gina').then(({ code, stdout }) => [code, stdout]), [0, 'gina: enabled\n'])
  assert.deepEqual([elasticsearch.users.get('gina')!.enabled, notBefore()], [true, before])
  assert.equal((await users('enable', 'gina')).stdout, 'gina: is enabled already\n')
  assert.equal((await sendSubRequest((await start()).url, 'gina')).status, 200)
})

test('users revoke --dry-run says what would happen and changes nothing', async () => {
  const { url } = await start()
  await sendSubRequest(url, 'hugo')
  const before = structuredClone(elasticsearch.users.get('hugo'))
  const { code, stdout } = await users('revoke', 'hugo', '--disable', '--api-keys', '--dry-run')
  assert.equal(code, 0)
  assert.match(
    stdout,
    /^hugo: nothing was changed\n- would end .*\n- would disable the user\n- would invalidate 0 API keys\n/,
  )
  assert.deepEqual(elasticsearch.users.get('hugo'), before)
})

test('users show, revoke and enable reject absent, foreign, reserved and invalid names with exit code 1 and write nothing', async () => {
  await elasticsearch.users.set('foreign', {
    password: 'x',
    roles: [],
    full_name: null,
    email: null,
    metadata: {},
    enabled: false,
  })
  const { writes } = elasticsearch.counters
  const names: [name: string, message: RegExp][] = [
    ['absent', /there is no user absent in Elasticsearch/],
    ['foreign', /elastauth does not manage the user foreign/],
    ['elastic', /reserved for/],
    ['kibana_system', /reserved for/],
    ['a/../b', /may contain only/],
    ['\u001b[31mred', /may contain only/],
  ]
  for (const action of ['show', 'revoke', 'enable']) {
    for (const [name, message] of names) {
      const { code, stdout, stderr } = await users(action, name)
      assert.deepEqual([code, stdout], [1, ''], `${action} ${name}`)
      assert.match(stderr, message)
      assert.doesNotMatch(stderr, /\u001b/)
    }
  }
  assert.equal(elasticsearch.counters.writes, writes)
})

test('users prune disables and deletes inactive users and no others, and changes nothing with --dry-run', async () => {
  const { url } = await start()
  const day = 24 * 60 * 60_000
  const [idle, absent, current, disabled] = ['prune-idle', 'prune-absent', 'prune-current', 'prune-disabled']
  for (const name of [idle, absent, current, disabled] as string[]) await sendSubRequest(url, name)
  const age = (name: string, days: number) => {
    const user = elasticsearch.users.get(name)!
    const elastauth = { ...(user.metadata.elastauth as object), issued_at: Date.now() - days * day }
    elasticsearch.users.set(name, { ...user, metadata: { ...user.metadata, elastauth } })
  }
  age(idle!, 10)
  age(absent!, 100)
  age(disabled!, 100)
  elasticsearch.users.set(disabled!, { ...elasticsearch.users.get(disabled!)!, enabled: false })
  const flags = ['--user_retention.disable_after', '168h', '--user_retention.delete_after', '2160h']
  const preview = await users('prune', '--dry-run', ...flags)
  assert.deepEqual(
    [preview.code, preview.stdout],
    [0, 'prune-absent: would be deleted\nprune-idle: would be disabled\n'],
  )
  assert.equal(elasticsearch.users.get(idle!)?.enabled, true)
  const { code, stdout } = await users('prune', '--json', ...flags)
  assert.equal(code, 0)
  assert.deepEqual(
    stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
    [
      { username: absent, dry_run: false, action: 'deleted' },
      { username: idle, dry_run: false, action: 'disabled_idle' },
    ],
  )
  assert.equal(elasticsearch.users.has(absent!), false)
  assert.equal(elasticsearch.users.get(idle!)?.enabled, false)
  assert.equal(elasticsearch.users.get(current!)?.enabled, true)
  assert.equal(elasticsearch.users.get(disabled!)?.enabled, false)
  assert.deepEqual((await users('prune', ...flags)).stdout, '')
  const { url: restarted } = await start() // without cached credentials
  assert.equal((await sendSubRequest(restarted, 'prune-idle')).status, 200, 'the sign-in enables the user')
  assert.equal(elasticsearch.users.get(idle!)?.enabled, true)
  assert.equal((await sendSubRequest(restarted, 'prune-disabled')).status, 403)
})

test('users prune disables all users who are due, even if its reader has ended', async () => {
  const { url } = await start()
  const names = ['piped-1', 'piped-2', 'piped-3']
  for (const name of names) {
    await sendSubRequest(url, name)
    const { metadata, ...user } = elasticsearch.users.get(name)!
    const issued_at = Date.now() - 3 * 3_600_000
    elasticsearch.users.set(name, {
      ...user,
      metadata: { ...metadata, elastauth: { ...(metadata.elastauth as object), issued_at } },
    })
  }
  const args = ['users', 'prune', '--user_retention.disable_after', '1h']
  const { code, signal } = await runWithoutReader(args, env, 'start')
  assert.deepEqual([code, signal], [0, null])
  assert.deepEqual(
    names.map((name) => elasticsearch.users.get(name)!.enabled),
    [false, false, false],
  )
})

test('users prune without user_retention says what to configure, and exits with 1', async () => {
  const { code, stdout, stderr } = await users('prune')
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^elastauth: .*set user_retention\.disable_after or user_retention\.delete_after\n$/)
})
