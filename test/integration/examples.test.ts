import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { get } from 'node:https'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { parse } from 'yaml'
import type { Elasticsearch } from '../support/elasticsearch/node.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { environmentOf, pathOf, runSetup } from '../support/example.ts'
import { type Gateway, logIn, startGateway } from '../support/gateway.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'

type IncomingAnswer = Readonly<{ status: number | undefined; headers: IncomingHttpHeaders }>

const elasticsearch = await useElasticsearch()

/** The example's elastauth with its own files and accounts, before other addresses than in its compose file. */
async function startExample(example: string, flags: Record<string, string>, folder = prepare(example)) {
  const gateway = await startGateway({
    flags: { config: pathOf(example, 'elastauth.yml'), 'elasticsearch.hosts': elasticsearch.node.url, ...flags },
    env: { ...environmentOf(example, folder), ELASTAUTH_SECRET_KEY: '' },
  })
  after(() => gateway.stop())
  return gateway
}

/** setup.sh, then accounts.sh in the real Elasticsearch, whose password is another than setup.sh made up. */
function prepare(example: string): string {
  const folder = runSetup(example)
  const file = join(folder, 'elasticsearch/elastic-password')
  chmodSync(file, 0o600) // whoever is not root cannot write it else
  writeFileSync(file, elasticsearch.node.password)
  makeAccounts(folder, elasticsearch.node)
  return folder
}

function makeAccounts(folder: string, { url }: Elasticsearch): void {
  execFileSync(pathOf('setup', 'accounts.sh'), [folder, url], { stdio: ['ignore', 'ignore', 'inherit'] })
}

function ask(
  { url }: Gateway,
  headers: Record<string, string> = {},
  path = '/_security/_authenticate',
): Promise<Response> {
  return fetch(url + path, { headers })
}

describe('examples before a real Elasticsearch', { skip: elasticsearch.skip }, () => {
  test('traefik-authelia: who knows the proxy secret gets alice’s credential, with her roles', {
    skip: skipWithoutRedis(),
  }, async () => {
    const folder = prepare('traefik-authelia')
    const read = (path: string) => readFileSync(join(folder, path), 'utf8').trim()
    const redis = await startRedis({
      config: read('redis/redis.conf').split('\n'),
      client: { password: read('redis/password') },
    })
    after(() => redis.stop())
    const gateway = await startExample(
      'traefik-authelia',
      { 'cache.redis_host': redis.address, trusted_proxies: 'loopback' },
      folder,
    )
    const identity = { 'Remote-User': 'alice', 'Remote-Groups': 'admins,users' }

    assert.equal((await ask(gateway, identity, '/')).status, 401)
    const proven = { ...identity, 'X-Elastauth-Proxy-Secret': read('elastauth/proxy-secret') }
    const answer = await ask(gateway, proven, '/')
    assert.equal(answer.status, 200, await answer.text())
    const login = await logIn(elasticsearch.node, answer.headers.get('authorization'))
    assert.deepEqual(login.roles?.toSorted(), ['kibana_admin', 'monitoring_user', 'viewer'])
    assert.equal(await redis.client.exists('elastauth:1:alice'), 1)
  })

  test('local-dev: everybody is the developer, in Elasticsearch itself', async () => {
    const gateway = await startExample('local-dev', { 'proxy.elasticsearch_url': elasticsearch.node.url })
    const answer = await ask(gateway)
    assert.equal(answer.status, 200)
    const { username, roles } = (await answer.json()) as { username: string; roles: string[] }
    assert.deepEqual([username, roles], ['developer', ['superuser']])
  })

  test('standalone-kibana: a browser is sent to Dex, as a client that Dex knows, and is to come back where Dex lets it', async () => {
    const folder = prepare('standalone-kibana')
    const read = (path: string) => readFileSync(join(folder, path), 'utf8')
    const gateway = await startExample('standalone-kibana', {}, folder)
    const { status, headers } = await new Promise<IncomingAnswer>((resolve, reject) => {
      const options = {
        ca: read('elastauth/ca.crt'),
        headers: { Host: 'kibana.elastauth.localhost:8443', Accept: 'text/html' },
      }
      get(`${gateway.url}/app/home`, { ...options, servername: 'kibana.elastauth.localhost' }, (response) => {
        response.resume()
        resolve({ status: response.statusCode, headers: response.headers })
      }).once('error', reject)
    })
    assert.equal(status, 302)
    const location = new URL(headers.location!)
    const dex = parse(read('dex/dex.yml'))
    const [client] = dex.staticClients
    assert.equal(location.origin + location.pathname, `${dex.issuer}/auth`)
    assert.equal(location.searchParams.get('client_id'), client.id)
    assert.deepEqual(client.redirectURIs, [location.searchParams.get('redirect_uri')])
    assert.equal(client.secret, read('elastauth/client-secret').trim())
  })

  test('the service account of accounts.sh may manage users, and cannot read data', async () => {
    const folder = prepare('local-dev')
    const password = readFileSync(join(folder, 'elastauth/elasticsearch-password'), 'utf8').trim()
    const authorization = `Basic ${Buffer.from(`elastauth:${password}`).toString('base64')}`
    const status = async (path: string) =>
      (await fetch(elasticsearch.node.url + path, { headers: { authorization } })).status
    assert.deepEqual(
      [await status('/_security/user'), await status('/_search'), await status('/_cat/nodes')],
      [200, 403, 403],
    )
  })
})
