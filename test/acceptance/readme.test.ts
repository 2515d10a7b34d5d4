import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseBasic } from '../behavior/credential.ts'
import { hasCurl, runScript } from '../behavior/curl.ts'
import { runElastauth } from '../behavior/elastauth-command.ts'
import { pages } from '../support/documentation.ts'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { elasticsearchFlags, type GatewayOptions, startGateway, testKey } from '../support/gateway.ts'

// A node of its own, because the account has the same name as that of the examples.
const elasticsearch = await useElasticsearch({ own: true, tls: true })
const { blocks } = pages.find(({ path }) => path === 'README.md')!
const directory = mkdtempSync(join(tmpdir(), 'elastauth-readme-'))
after(() => rmSync(directory, { recursive: true }))

/** The README's only block in this language that contains this text. */
function findBlock(language: string, part: string): string {
  const found = blocks.filter((block) => block.language === language && block.text.includes(part))
  assert.equal(found.length, 1, `${found.length} blocks of ${language} with ${part}`)
  return found[0]!.text
}

async function signIn({ flags, ...rest }: GatewayOptions, identity: Record<string, string>) {
  const gateway = await startGateway({ flags: { ...elasticsearchFlags, ...flags }, ...rest })
  after(() => gateway.stop())
  const response = await fetch(gateway.url, { headers: identity })
  assert.equal(response.status, 200, gateway.output())
  return parseBasic(response.headers.get('authorization'))
}

describe("the README's installation, with a real Elasticsearch", { skip: elasticsearch.skip || !hasCurl }, () => {
  const path = (file: string) => join(directory, file)
  const { username: administrator, password, url, caCert } = elasticsearch.skip ? ({} as never) : elasticsearch.node
  const alice = { 'Remote-User': 'alice', 'Remote-Groups': 'admins' }
  const secrets = Object.fromEntries(
    [...findBlock('bash', 'export ').matchAll(/(ELASTAUTH_\w+_FILE)=\/etc\/elastauth\/(\S+)/g)].map(
      ([, name, file]) => [name!, path(file!)],
    ),
  )

  /** Runs a block as an administrator would, in the directory, with the passwords that curl would ask for. */
  function run(block: string): Promise<string> {
    const script = block
      .replaceAll('/etc/elastauth', directory)
      .replaceAll('https://elasticsearch:9200', url)
      .replaceAll('--user elastic ', `--user ${administrator}:${password} `)
      .replaceAll('--user elastauth ', '--user "elastauth:$(cat elasticsearch-password)" ')
    return runScript(`set -euo pipefail; cd ${directory}\n${script}`)
  }

  function writeConfiguration(name: string, change: (yaml: string) => string = (yaml) => yaml): string {
    const yaml = change(findBlock('yaml', 'group_mappings:'))
    writeFileSync(path(name), yaml.replace('https://elasticsearch:9200', url).replace('/etc/elastauth', directory))
    return path(name)
  }

  before(async () => {
    writeFileSync(path('ca.crt'), caCert!)
    const output = await run(findBlock('bash', '/_security/role/elastauth'))
    assert.match(output, /"created":true/)
  })

  test("the README's service account has the cluster privilege manage_security, and neither data nor other privileges", async () => {
    const as = { username: 'elastauth', password: readFileSync(path('elasticsearch-password'), 'utf8').trim() }
    const { body } = await callElasticsearch(elasticsearch.node, '/_security/user/_privileges', { as })
    assert.deepEqual([body.cluster, body.indices, body.run_as], [['manage_security'], [], []])
  })

  test("config check --connect accepts the README's configuration and connects with the service account", async () => {
    const config = writeConfiguration('config.yml')
    const { code, stderr } = await runElastauth(['config', 'check', '--connect', '--config', config], {
      ...secrets,
      ELASTAUTH_ELASTICSEARCH_TIMEOUT: elasticsearchFlags['elasticsearch.timeout'],
    })
    assert.deepEqual([code, stderr], [0, ''])
  })

  test("with the README's configuration, a user gets a credential with the roles of the user's groups", async () => {
    const flags = { config: writeConfiguration('config.yml'), trusted_proxies: 'loopback' }
    const as = await signIn({ flags, env: { ...secrets, ELASTAUTH_SECRET_KEY: '' } }, alice)
    const { body } = await callElasticsearch(elasticsearch.node, '/_security/_authenticate', { as })
    assert.deepEqual(body.roles.sort(), ['kibana_admin', 'monitoring_user', 'viewer'])
  })

  test("with the README's API key instead of the password, a new user gets a working credential", async () => {
    const { encoded } = JSON.parse(await run(findBlock('bash', '/_security/api_key')))
    writeFileSync(path('api-key'), encoded)
    const config = writeConfiguration('api-key.yml', (yaml) => yaml.replace(/^ +username: .*\n/m, ''))
    const env = {
      ELASTAUTH_SECRET_KEY: '',
      ELASTAUTH_SECRET_KEY_FILE: path('secret-key'),
      ELASTAUTH_ELASTICSEARCH_API_KEY_FILE: path('api-key'),
    }
    const as = await signIn({ flags: { config, trusted_proxies: 'loopback' }, env }, { ...alice, 'Remote-User': 'bob' })
    assert.equal((await callElasticsearch(elasticsearch.node, '/_security/_authenticate', { as })).status, 200)
  })
})

test("with the environment variables of the README's docker run, a user without groups gets a credential", async () => {
  const variables = [...findBlock('bash', 'docker run').matchAll(/--env (ELASTAUTH_\w+)=(\w+)/g)]
  const env = Object.fromEntries(variables.map(([, name, value]) => [name!, value!]))
  assert.deepEqual(Object.keys(env), ['ELASTAUTH_DEFAULT_ROLES', 'ELASTAUTH_ELASTICSEARCH_DRY_RUN'])
  const { username } = await signIn({ env: { ...env, ELASTAUTH_SECRET_KEY: testKey } }, { 'Remote-User': 'alice' })
  assert.equal(username, 'alice')
})
