import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { convertEntries } from '../../../config/migrate/convert.ts'
import { writeConfig } from '../../../config/migrate/write-config.ts'

type Case = [given: string, entries: Record<string, unknown>, settings: Record<string, unknown>, remark: string | null]

const cases: Case[] = [
  [
    'a flat key of version 1',
    { elasticsearch_host: 'http://es:9200' },
    { 'elasticsearch.hosts': ['http://es:9200'] },
    'changed elasticsearch_host is called elasticsearch.hosts now',
  ],
  [
    'the switch that version 1.2 had at the top',
    { insecure_skip_verify: true },
    { 'elasticsearch.insecure_skip_verify': true },
    'changed insecure_skip_verify is called elasticsearch.insecure_skip_verify now',
  ],
  [
    'header names of version 2',
    { 'authelia.header_username': 'X-User' },
    { 'headers.username': 'X-User' },
    'changed authelia.header_username is called headers.username now',
  ],
  ['a key that stays as it is', { default_roles: ['viewer'] }, { default_roles: ['viewer'] }, null],
  ['roles as text, as version 1 split it', { default_roles: 'a b' }, { default_roles: ['a', 'b'] }, null],
  ['roles as text, as version 2 split it', { default_roles: 'a, b c' }, { default_roles: ['a', 'b c'] }, null],
  ['a boolean in quotes', { extend_cache: 'false' }, { extend_cache: false }, null],
  ['a number in quotes', { redis_db: '3' }, { 'cache.redis_db': 3 }, 'changed redis_db is called cache.redis_db now'],
  [
    'a password that YAML took for a number',
    { 'elasticsearch.password': 12345 },
    { 'elasticsearch.password': '12345' },
    null,
  ],
  ['nothing at all after a key', { 'cache.redis_host': '', 'oidc.issuer': null }, {}, null],
  [
    'the spelling that was not read, but is now',
    { 'headers.username': 'X-User' },
    { 'headers.username': 'X-User' },
    'decide headers the former elastauth did not read this spelling (it read headers_username and so on); it counts now',
  ],
  [
    'no cache',
    { 'cache.type': '' },
    {},
    'changed cache.type empty meant a new password for each request; passwords are derived here, and kept in memory',
  ],
  ['a directory for the cache', { 'cache.path': '/tmp/x' }, {}, 'not needed cache.path nothing is kept in files'],
  ['traces', { enableotel: true }, {}, 'not needed enableotel traces are not exported'],
  ['debug', { debug: true }, { log_level: 'debug' }, 'changed debug is log_level: debug now'],
  ['a key nobody knows', { 'foo.bar': 1 }, {}, 'not needed foo.bar is no key of elastauth'],
  [
    'a value that config check will refuse',
    { 'cache.expiration': 'soon' },
    { 'cache.expiration': 'soon' },
    'decide cache.expiration its value is not a duration: write e.g. 30m or 1h',
  ],
  [
    'a group with a star in its name',
    { group_mappings: { 'a*': ['x'] } },
    { group_mappings: { 'a*': ['x'] } },
    'decide group_mappings a * in a group’s name stands for anything now',
  ],
]

for (const [given, entries, settings, remark] of cases) {
  test(`import: ${given}`, () => {
    const converted = convertEntries(Object.entries(entries).map(([key, value]) => ({ key, value })))
    assert.deepEqual(Object.fromEntries(converted.settings), settings)
    const remarks = converted.notes
      .filter(
        ({ kind, text }) => kind !== 'decide' || !/former elastauth (made|believed)|is not in this file/.test(text),
      )
      .map(({ kind, key, text }) => `${kind} ${key} ${text}`)
    assert.deepEqual(remarks, remark === null ? [] : [remark])
  })
}

test('import always says what only the owner can decide: existing users, who is trusted, what the file left to the environment', () => {
  const decisions = convertEntries([]).notes.filter(({ kind }) => kind === 'decide')
  assert.deepEqual(
    decisions.map(({ key }) => key),
    ['secret_key', 'elasticsearch.password', 'elasticsearch.adopt_existing_users', 'trusted_proxies'],
  )
})

test('import: where an old and a new name disagree the new one is kept, and that is said', () => {
  const { settings, notes } = convertEntries([
    { key: 'cache.type', value: 'redis' },
    { key: 'cache_type', value: 'memory' },
  ])
  assert.equal(settings.get('cache.type'), 'redis')
  assert.ok(notes.some(({ kind, key, text }) => kind === 'decide' && key === 'cache.type' && /twice/.test(text)))
})

test('import: what is no name is not repeated, for it may be a secret', () => {
  const text = writeConfig(convertEntries([{ key: 'elasticsearch_password hunter2', value: null }]), 'config.yml')
  assert.doesNotMatch(text, /hunter2/)
})

test('import: with OpenID Connect it is a decision whether people are sent to log in', () => {
  const remarks = convertEntries([{ key: 'auth_provider', value: 'oidc' }]).notes.map(
    ({ kind, key }) => `${kind} ${key}`,
  )
  assert.ok(remarks.includes('decide oidc.login'))
  assert.ok(!remarks.includes('decide trusted_proxies'))
})

test('import: https without a CA is a decision, for the CAs of the machine are not read', () => {
  const keysOf = (hosts: string[]) =>
    convertEntries([{ key: 'elasticsearch.hosts', value: hosts }]).notes.map(({ key }) => key)
  assert.ok(keysOf(['https://es:9200']).includes('elasticsearch.ca_cert'))
  assert.ok(!keysOf(['http://es:9200']).includes('elasticsearch.ca_cert'))
})

test('import: a key with a line break in its name cannot write a setting of its own into our file', () => {
  const text = writeConfig(convertEntries([{ key: 'x\ndefault_roles: [superuser]', value: 1 }]), 'a\nb.yml')
  assert.equal(parse(text), null)
})
