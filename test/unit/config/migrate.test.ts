import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { convertEntries } from '../../../config/migrate/convert.ts'
import { writeConfig } from '../../../config/migrate/write-config.ts'

type Case = [title: string, entries: Record<string, unknown>, settings: Record<string, unknown>, note: string | null]

const cases: Case[] = [
  [
    'renames a flat key of version 1',
    { elasticsearch_host: 'http://es:9200' },
    { 'elasticsearch.hosts': ['http://es:9200'] },
    'changed elasticsearch_host is now called elasticsearch.hosts',
  ],
  [
    'renames the top-level insecure_skip_verify of version 1.2',
    { insecure_skip_verify: true },
    { 'elasticsearch.insecure_skip_verify': true },
    'changed insecure_skip_verify is now called elasticsearch.insecure_skip_verify',
  ],
  [
    'renames the header keys of version 2',
    { 'authelia.header_username': 'X-User' },
    { 'headers.username': 'X-User' },
    'changed authelia.header_username is now called headers.username',
  ],
  ['keeps a key that has not changed', { default_roles: ['viewer'] }, { default_roles: ['viewer'] }, null],
  ['splits roles in a text at spaces, as version 1 did', { default_roles: 'a b' }, { default_roles: ['a', 'b'] }, null],
  [
    'splits roles in a text at commas, as version 2 did',
    { default_roles: 'a, b c' },
    { default_roles: ['a', 'b c'] },
    null,
  ],
  ['converts a quoted boolean to a boolean', { extend_cache: 'false' }, { extend_cache: false }, null],
  [
    'converts a quoted number to a number',
    { redis_db: '3' },
    { 'cache.redis_db': 3 },
    'changed redis_db is now called cache.redis_db',
  ],
  [
    'converts a password that YAML parsed as a number to text',
    { 'elasticsearch.password': 12345 },
    { 'elasticsearch.password': '12345' },
    null,
  ],
  ['drops keys without a value', { 'cache.redis_host': '', 'oidc.issuer': null }, {}, null],
  [
    'asks for a decision about a header key that was ignored before',
    { 'headers.username': 'X-User' },
    { 'headers.username': 'X-User' },
    'decide headers the Go elastauth ignored this spelling (it read headers_username etc.); it is in effect now',
  ],
  [
    'reports that an empty cache.type now means memory',
    { 'cache.type': '' },
    {},
    'changed cache.type empty meant a new password for each request; passwords are now derived and cached in memory',
  ],
  [
    'drops the directory of the file cache',
    { 'cache.path': '/tmp/x' },
    {},
    'not needed cache.path nothing is stored in files',
  ],
  ['keeps the key for traces', { enableotel: true }, { enableOtel: true }, null],
  [
    'renames the key for traces',
    { enable_otel: true },
    { enableOtel: true },
    'changed enable_otel is now called enableOtel',
  ],
  [
    'drops keys for metrics in traces',
    { enableotelhostmetrics: true },
    {},
    'not needed enableotelhostmetrics enable_metrics serves these metrics',
  ],
  ['converts debug to a log level', { debug: true }, { log_level: 'debug' }, 'changed debug is now log_level: debug'],
  ['drops an unknown key', { 'foo.bar': 1 }, {}, 'not needed foo.bar is not a key of elastauth'],
  [
    'reports a value that config check will reject',
    { 'cache.expiration': 'soon' },
    { 'cache.expiration': 'soon' },
    'decide cache.expiration its value is not a duration: write e.g. 30m or 1h',
  ],
  [
    'asks for a decision about a group name with a *',
    { group_mappings: { 'a*': ['x'] } },
    { group_mappings: { 'a*': ['x'] } },
    'decide group_mappings a * in a group name now matches any text',
  ],
]

for (const [title, entries, settings, note] of cases) {
  test(`import ${title}`, () => {
    const converted = convertEntries(Object.entries(entries).map(([key, value]) => ({ key, value })))
    assert.deepEqual(Object.fromEntries(converted.settings), settings)
    const notes = converted.notes
      .filter(
        ({ kind, text }) => kind !== 'decide' || !/Go elastauth (created|trusted every)|is not in this file/.test(text),
      )
      .map(({ kind, key, text }) => `${kind} ${key} ${text}`)
    assert.deepEqual(notes, note === null ? [] : [note])
  })
}

test('import always lists the decisions about existing users, trusted proxies and secrets that the file does not contain', () => {
  const decisions = convertEntries([]).notes.filter(({ kind }) => kind === 'decide')
  assert.deepEqual(
    decisions.map(({ key }) => key),
    ['secret_key', 'elasticsearch.password', 'elasticsearch.adopt_existing_users', 'trusted_proxies'],
  )
})

test('import keeps the value of the current key if a legacy key contradicts it, and reports that', () => {
  const { settings, notes } = convertEntries([
    { key: 'cache.type', value: 'redis' },
    { key: 'cache_type', value: 'memory' },
  ])
  assert.equal(settings.get('cache.type'), 'redis')
  assert.ok(notes.some(({ kind, key, text }) => kind === 'decide' && key === 'cache.type' && /twice/.test(text)))
})

test('import does not repeat a key that is not a name, since it may be a secret', () => {
  const text = writeConfig(convertEntries([{ key: 'elasticsearch_password hunter2', value: null }]), 'config.yml')
  assert.doesNotMatch(text, /hunter2/)
})

test('import with OpenID Connect asks whether people are redirected to sign in', () => {
  const notes = convertEntries([{ key: 'auth_provider', value: 'oidc' }]).notes.map(({ kind, key }) => `${kind} ${key}`)
  assert.ok(notes.includes('decide oidc.login'))
  assert.ok(!notes.includes('decide trusted_proxies'))
})

test('import asks for a CA file if Elasticsearch uses https, since the CAs of the machine are not trusted', () => {
  const keysOf = (hosts: string[]) =>
    convertEntries([{ key: 'elasticsearch.hosts', value: hosts }]).notes.map(({ key }) => key)
  assert.ok(keysOf(['https://es:9200']).includes('elasticsearch.ca_cert'))
  assert.ok(!keysOf(['http://es:9200']).includes('elasticsearch.ca_cert'))
})

test('import does not write a setting that follows a line break in a key or a file name', () => {
  const text = writeConfig(convertEntries([{ key: 'x\ndefault_roles: [superuser]', value: 1 }]), 'a\nb.yml')
  assert.equal(parse(text), null)
})
