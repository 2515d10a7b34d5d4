import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { linesOf, load, minimal } from './fixture.ts'

describe('the provider elasticsearch', () => {
  for (const list of [
    'elasticsearch',
    'elasticsearch, authelia',
    'authelia, elasticsearch',
    'oidc, elasticsearch',
    'elasticsearch, oidc',
  ]) {
    test(`accepts auth_providers: [${list}]`, () => {
      const oidc = list.includes('oidc') ? '\noidc: { issuer: "https://idp", client_id: x, login: false }' : ''
      const { elasticsearch_auth } = load(`${minimal}auth_providers: [${list}]${oidc}\n`).config
      assert.deepEqual(elasticsearch_auth, { basic: false, cache_ttl: 60_000, allow_reserved: [] })
    })
  }

  test('rejects a dry run, in which Elasticsearch cannot verify a credential', () => {
    const lines = linesOf(() =>
      load(`${minimal.replace('changeme', 'changeme, dry_run: true')}auth_providers: [elasticsearch]\n`),
    )
    assert.equal(lines.length, 1)
    assert.match(lines[0]!, /elasticsearch\.dry_run is true, but the provider elasticsearch has to verify credentials/)
  })
})

describe('warnings about elasticsearch_auth', () => {
  const warningsOf = (yaml: string) => load(`${minimal}${yaml}\n`).warnings.join('\n')
  const keys = ['basic: true', 'cache_ttl: 10s', 'allow_reserved: [elastic]']
  for (const key of keys) {
    const name = key.split(':')[0]!
    test(`warns about elasticsearch_auth.${name} without the provider`, () => {
      const expected = `elasticsearch_auth.${name} is set but not used: add elasticsearch to auth_providers`
      assert.ok(warningsOf(`elasticsearch_auth: { ${key} }`).includes(expected))
      const used = `auth_provider: elasticsearch\nelasticsearch_auth: { ${key} }`
      assert.ok(!warningsOf(used).includes('add elasticsearch to auth_providers'))
    })
  }

  test('warns about elasticsearch_auth.allow_reserved without basic', () => {
    const yaml = (basic: boolean) =>
      `auth_provider: elasticsearch\nelasticsearch_auth: { basic: ${basic}, allow_reserved: [elastic] }`
    const expected = 'elasticsearch_auth.allow_reserved is set but not used: set elasticsearch_auth.basic: true'
    assert.ok(warningsOf(yaml(false)).includes(expected))
    assert.ok(!warningsOf(yaml(true)).includes(expected))
  })
})
