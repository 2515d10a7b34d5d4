import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { buildExample } from '../../../config/generate/example.ts'
import { findStaleFiles } from '../../../config/generate/generate.ts'
import { buildJsonSchema } from '../../../config/generate/json-schema.ts'
import { buildReference } from '../../../config/generate/reference.ts'
import { envNameOf, keys } from '../../../config/schema.ts'
import { pageYaml } from './documentation-page.ts'
import { faultsOf, key, load, minimal } from './fixture.ts'

const accepts = new Ajv({ strict: false, allErrors: true }).compile(buildJsonSchema())

test('the generated files are up to date (npm run docs)', () => {
  assert.deepEqual(findStaleFiles(), [])
})

test('the example loads, and so does every line of it that is commented out, but for a secret that must not be empty', () => {
  assert.deepEqual(load(buildExample()).config.default_roles, ['kibana_user'])
  const uncommented = buildExample().replaceAll(/^(\s*)# (?=\s*[\w.]+:)/gm, '$1')
  assert.throws(() => load(uncommented), /^ConfigError: .*1 fault\n[^\n]* proxy_secret +is empty/)
  const everything = uncommented.replace('proxy_secret:\n', 'proxy_secret: a-shared-secret-of-32-characters\n')
  const { config } = load(everything)
  assert.equal(Object.keys(parse(everything)).length, Object.keys(config).length)
  assert.deepEqual({ ...config, proxy_secret: null }, { ...load(buildExample()).config })
})

test('the JSON schema accepts the example and the page’s file', () => {
  for (const yaml of [buildExample(), pageYaml, minimal])
    assert.ok(accepts(parse(yaml)), JSON.stringify(accepts.errors))
})

test('the JSON schema and the loader agree', () => {
  const agreed: [yaml: string, isGood: boolean][] = [
    ['listen: ":5000"', true],
    ['listen: 5000', false],
    ['elasticsearch: { hots: [] }', false],
    ['chace: { type: redis }', false],
    ['cache: redis', false],
    ['cache: { expiration: 1 hour }', false],
    ['cache: { expiration: 60 }', false],
    ['cache: { expiration: 1h30m, type: "" }', true],
    ['cache: { redis_db: -1 }', false],
    ['enable_metrics: "true"', false],
    ['default_roles: a', false],
    ['group_mappings: { a: b, c: [d] }', true],
    ['group_mappings: { a: [" b"] }', false],
    ['auth_provider: saml', false],
    ['proxy: { routes: [{ upstreams: [http://a] }] }', true],
    ['proxy: { routes: [{ paht: / }] }', false],
    ['cache:', true],
    ['cache_expire: 2h', true],
    ['elasticsearch_host: http://es', true],
    ['proxy_secret: short', false],
    ['static: { username: a b }', false],
    ['static: { username: bob, email: bob@example.com, name: Bob, groups: [a] }', true],
    ['static: { email: bob }', false],
  ]
  const env = {
    ELASTAUTH_SECRET_KEY: key,
    ELASTAUTH_ELASTICSEARCH_USERNAME: 'u',
    ELASTAUTH_ELASTICSEARCH_PASSWORD: 'p',
  }
  for (const [yaml, isGood] of agreed) {
    assert.equal(accepts(parse(yaml)), isGood, yaml)
    assert.equal(faultsOf(() => load(yaml, { env })).length === 0, isGood, yaml)
  }
})

test('every key has its own environment name, and none looks like another’s _FILE', () => {
  const names = [...keys.keys()].map(envNameOf)
  assert.equal(new Set(names).size, names.length)
  assert.deepEqual(
    names.filter((name) => name.endsWith('_FILE')),
    [],
  )
  assert.equal(envNameOf('enableOtel'), 'ELASTAUTH_ENABLEOTEL')
})

test('every key and its environment name are in the reference, which is one table row each', () => {
  const rows = buildReference().split('\n')
  for (const key of keys.keys()) {
    const row = rows.filter((line) => line.startsWith(`| \`${key}\``) && line.includes(`\`${envNameOf(key)}\``))
    assert.equal(row.length, 1, key)
  }
})
