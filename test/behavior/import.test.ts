import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parse } from 'yaml'
import { testKey } from '../support/gateway.ts'
import { runElastauth } from './elastauth-command.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-import-'))
after(() => rmSync(directory, { recursive: true }))

function write(name: string, text: string): string {
  const file = join(directory, name)
  writeFileSync(file, text)
  return file
}

const secrets = [testKey, 'hunter2-elasticsearch', 'hunter2-oidc', 'hunter2-header']

const files: Readonly<Record<string, string>> = {
  'version-1.yml': `
Elasticsearch_Host: https://es:9200
elasticsearch_username: elastic
elasticsearch_password: hunter2-elasticsearch
secret_key: ${testKey}
cache_type: redis
redis_host: redis:6379
redis_db: "1"
cache_expire: 30m
headers_username: X-User
insecure_skip_verify: false
default_roles: [viewer]
group_mappings:
  Admins: [kibana_admin]
`,
  'version-2.yml': `
auth_provider: oidc
secret_key: ${testKey}
elasticsearch: { hosts: ["https://es:9200"], username: elastic, password: hunter2-elasticsearch }
oidc:
  issuer: https://id.example.com
  client_id: elastauth
  client_secret: hunter2-oidc
  custom_headers: { X-Api-Key: hunter2-header }
cache: { type: file, path: /tmp/cache }
enableOtel: true
`,
  'version-2.env': `
# read by Compose itself
TZ=UTC
ELASTAUTH_SECRET_KEY=${testKey}
export ELASTAUTH_ELASTICSEARCH_HOSTS_0="https://es:9200"
ELASTAUTH_ELASTICSEARCH_USERNAME=elastic
ELASTAUTH_ELASTICSEARCH_PASSWORD='hunter2-elasticsearch'
ELASTAUTH_GROUP_MAPPINGS_ADMINS=kibana_admin, viewer
ELASTAUTH_OIDC_CUSTOM_HEADERS_X_API_KEY=hunter2-header
`,
}

for (const [name, text] of Object.entries(files)) {
  test(`elastauth import ${name} prints a configuration that config check accepts, and no secret on standard error`, async () => {
    const { code, stdout, stderr } = await runElastauth(['import', write(name, text)])
    assert.equal(code, 0, stderr)
    for (const secret of secrets) assert.ok(!stderr.includes(secret), 'a secret is on standard error')
    const imported = parse(stdout)
    assert.equal(imported.elasticsearch.password, 'hunter2-elasticsearch')
    assert.equal(imported.secret_key, testKey)
    const checked = await runElastauth(['config', 'check', '--config', write(`new-${name}.yml`, stdout)])
    assert.equal(checked.code, 0, checked.stderr)
    assert.doesNotMatch(checked.stderr, /old name/)
  })
}

test('elastauth import combines the variables for single entries of a map into one map', async () => {
  const { stdout } = await runElastauth(['import', write('maps.env', files['version-2.env']!)])
  const { group_mappings, oidc } = parse(stdout)
  assert.deepEqual(group_mappings, { admins: ['kibana_admin', 'viewer'] })
  assert.deepEqual(oidc.custom_headers, { 'X-API-KEY': 'hunter2-header' })
})

const rejectedFiles: [name: string, text: string | null, message: RegExp][] = [
  ['missing.yml', null, /missing\.yml +FILE +does not exist/],
  ['broken.yml', 'a: [hunter2-elasticsearch', /broken\.yml:1 +YAML +`\[` is not closed: add `\]`/],
  ['text.yml', 'hunter2-elasticsearch', /text\.yml +FILE +contains no settings: name the config\.yml/],
  [
    'compose.yml',
    'services:\n  elastauth:\n    environment: [ELASTAUTH_SECRET_KEY=hunter2]\n',
    /is a Compose file: copy/,
  ],
  ['empty.yml', '', /empty\.yml +FILE +contains no settings/],
]

for (const [name, text, message] of rejectedFiles) {
  test(`elastauth import ${name} exits with 1 and an error message that does not quote the file`, async () => {
    const file = text === null ? join(directory, name) : write(name, text)
    const { code, stdout, stderr } = await runElastauth(['import', file])
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /hunter2/)
  })
}
