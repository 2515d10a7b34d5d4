import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseBasic } from '../behavior/credential.ts'
import { hasCurl, runCurl, runScript } from '../behavior/curl.ts'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { elasticsearchFlags, type Gateway, startGateway } from '../support/gateway.ts'
import { commands, configuration, identityInJson, missingHeaders } from './specification.ts'

const elasticsearch = await useElasticsearch()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

describe('the specification of auth-only mode, with a real Elasticsearch', { skip: elasticsearch.skip }, () => {
  const gateways: Gateway[] = []
  let gateway: Gateway
  before(async () => {
    for (const name of ['testuser', 'test', 'dryrunner', 'unlucky']) await forget(name)
    gateway = await start()
  })
  after(() => Promise.all(gateways.map(({ stop }) => stop())))

  /** Starts elastauth with the config.yml of the specification, the test's Elasticsearch, and a group whose role can read the cluster's health. */
  async function start(flags: Record<string, string> = {}, password = elasticsearch.node.password): Promise<Gateway> {
    const { url, username, caCert } = elasticsearch.node
    const config = join(directory, 'config.yml')
    writeFileSync(config, configuration)
    if (caCert) writeFileSync(join(directory, 'ca.crt'), caCert)
    const started = await startGateway({
      flags: {
        ...elasticsearchFlags,
        config,
        'elasticsearch.hosts': url,
        ...(caCert && { 'elasticsearch.ca_cert': join(directory, 'ca.crt') }),
        ...flags,
      },
      env: {
        ELASTAUTH_ELASTICSEARCH_USERNAME: username,
        ELASTAUTH_ELASTICSEARCH_PASSWORD: password,
        ELASTAUTH_GROUP_MAPPINGS: '{"admins":["remote_monitoring_collector"]}',
      },
    })
    gateways.push(started)
    return started
  }

  const forget = (username: string) =>
    callElasticsearch(elasticsearch.node, `/_security/user/${username}`, { method: 'DELETE' })
  const readUser = async (username: string) =>
    (await callElasticsearch(elasticsearch.node, `/_security/user/${username}`)).body[username]
  const logIn = (authorization: string | null) =>
    callElasticsearch(elasticsearch.node, '/_security/_authenticate', { as: parseBasic(authorization) })
  const withGatewayUrl = (script: string, { url }: { url: string } = gateway) =>
    script.replaceAll(/http:\/\/(localhost|elastauth):5000/g, url)

  test("curl with identity headers prints exactly the specification's JSON, and the user has the roles and groups", async () => {
    const output = await runCurl(withGatewayUrl(commands.identityInJson))
    assert.deepEqual(JSON.parse(output), identityInJson)
    const { roles, email, metadata } = await readUser('testuser')
    assert.deepEqual([roles, email], [['remote_monitoring_collector'], 'test@example.com'])
    assert.deepEqual(metadata.groups, ['admins', 'users'])
  })

  test("curl -I with identity headers gets 200 and the user's Authorization header, without a body", async () => {
    const output = await runCurl(withGatewayUrl(commands.headersOnly))
    assert.match(output, /^HTTP\/1\.1 200 OK\r\n/)
    const authorization = /^authorization: (.*)\r$/im.exec(output)![1]!
    assert.match(authorization, /^Basic dGVzdHVzZXI6/)
    assert.equal((await logIn(authorization)).body.username, 'testuser')
    assert.ok(output.endsWith('\r\n\r\n') && output.indexOf('\r\n\r\n') === output.length - 4)
  })

  test("the header that the AUTH_HEADER example extracts can read the cluster's health", {
    skip: !hasCurl,
  }, async () => {
    const script = withGatewayUrl(commands.useTheHeader).replace('https://elasticsearch:9200', elasticsearch.node.url)
    const env = elasticsearch.node.caCert ? { CURL_CA_BUNDLE: join(directory, 'ca.crt') } : {}
    const health = JSON.parse(await runScript(script, env))
    assert.match(health.status, /^(green|yellow|red)$/)
  })

  test('a request without identity headers gets 401, and the log shows "missing authentication headers"', async () => {
    const response = await fetch(gateway.url, { headers: { 'X-Forwarded-Uri': '/app/home' } })
    assert.equal(response.status, 401)
    assert.equal(response.headers.get('authorization'), null)
    await gateway.logged(({ message = '' }) => message.startsWith(`GET /app/home 401 ${missingHeaders}`))
  })

  test('curl -I with a user without groups shows an Authorization header, with the default roles', async () => {
    const output = await runCurl(withGatewayUrl(commands.defaultRoles))
    const authorization = /^authorization: (.*)\r$/im.exec(output)![1]!
    assert.deepEqual((await logIn(authorization)).body.roles, ['kibana_user'])
  })

  test('with wrong service account credentials, a new user gets 503, and the log names the account as the reason', async () => {
    const misconfigured = await start({}, 'not-the-password')
    const response = await fetch(misconfigured.url, { headers: { 'Remote-User': 'unlucky' } })
    assert.deepEqual([response.status, response.headers.get('authorization')], [503, null])
    await misconfigured.logged(({ message = '' }) =>
      /503 .*elasticsearch\.username and password.* are wrong/.test(message),
    )
    assert.equal(await readUser('unlucky'), undefined)
    assert.ok(!misconfigured.output().includes('not-the-password'))
    assert.match(misconfigured.output(), /error/i) // docker logs elastauth | grep -i error
  })

  test('in a dry run, a new user gets 200 with a credential that Elasticsearch rejects', async () => {
    const dryRun = await start({ 'elasticsearch.dry_run': 'true' })
    const response = await fetch(dryRun.url, { headers: { 'Remote-User': 'dryrunner' } })
    assert.equal(response.status, 200)
    assert.equal((await logIn(response.headers.get('authorization'))).status, 401)
    assert.equal(await readUser('dryrunner'), undefined)
  })

  test('after a restart without Redis, the response has the same credential and no user is written', async () => {
    const headersFrom = async ({ url }: Gateway) => (await fetch(url, { headers: { 'Remote-User': 'test' } })).headers
    const before = (await headersFrom(gateway)).get('authorization')
    const restarted = await start({ 'cache.type': 'memory' })
    assert.equal((await headersFrom(restarted)).get('authorization'), before)
    assert.ok(!restarted.log.some((line) => String(line['event.action']).startsWith('user_')))
  })
})
