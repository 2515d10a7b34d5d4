import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer, get } from 'node:https'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { after, describe, test } from 'node:test'
import { parse } from 'yaml'
import { runElastauth } from '../behavior/elastauth-command.ts'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import type { Elasticsearch } from '../support/elasticsearch/node.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { environmentOf, pathOf, readCompose, runSetup } from '../support/example.ts'
import { elasticsearchFlags, type Gateway, logIn, startGateway } from '../support/gateway.ts'
import { startOidcProvider } from '../support/oidc/provider.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { findFreePort } from '../support/port.ts'
import { redisFlags } from '../support/redis/flags.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { signInWithForm } from '../support/sign-in-form.ts'
import { adapt } from './interop/documented-configuration.ts'
import { startFakeAuthelia } from './interop/fake-authelia.ts'
import { listen } from './interop/listen.ts'
import { caddyExample, createCaddyExample } from './interop/proxies.ts'
import { startRealProxy } from './interop/real-proxy.ts'
import { skipWithout } from './interop/skip-without.ts'

type HttpsResponse = Readonly<{ status: number | undefined; headers: IncomingHttpHeaders; body: string }>

type Realm = Readonly<{
  realm: string
  users: readonly Readonly<{ username: string; credentials: readonly [{ value: string }] }>[]
  clients: readonly [
    Readonly<{ clientId: string; secret: string; redirectUris: string[]; attributes: Record<string, string> }>,
  ]
}>

const elasticsearch = await useElasticsearch()

/** Starts the example's elastauth with its own files and accounts, but other addresses than in its compose file. */
async function startExample(example: string, flags: Record<string, string>, folder = prepare(example)) {
  const gateway = await startGateway({
    flags: {
      ...elasticsearchFlags,
      config: pathOf(example, 'elastauth.yml'),
      'elasticsearch.hosts': elasticsearch.node.url,
      ...flags,
    },
    env: { ...environmentOf(example, folder), ELASTAUTH_SECRET_KEY: '' },
  })
  after(() => gateway.stop())
  return gateway
}

/** As startExample, but without TLS, because the client of these tests does not trust the example's CA. */
async function startWithoutTls(
  example: string,
  folder: string,
  flags: Record<string, string> = {},
  added: Record<string, string> = {},
) {
  const { url } = elasticsearch.node
  const environment = Object.entries({ ...environmentOf(example, folder), ...added })
  const isReplaced = (name: string) => name.includes('_TLS_') || name.replace(/_FILE$/, '') in added
  const config = pathOf(example, 'elastauth.yml')
  const gateway = await startGateway({
    flags: {
      ...elasticsearchFlags,
      config,
      'elasticsearch.hosts': url,
      'proxy.elasticsearch_url': url,
      'proxy.tls.enabled': 'false',
      ...flags,
    },
    env: {
      ...Object.fromEntries(environment.filter(([name]) => !isReplaced(name))),
      ...added,
      ELASTAUTH_SECRET_KEY: '',
    },
  })
  after(() => gateway.stop())
  return gateway
}

/** Runs setup.sh, then accounts.sh with the real Elasticsearch, whose password differs from the one that setup.sh generates. */
function prepare(example: string): string {
  const folder = runSetup(example)
  const file = join(folder, 'elasticsearch/elastic-password')
  chmodSync(file, 0o600) // only root can write it otherwise
  writeFileSync(file, elasticsearch.node.password)
  createAccounts(example, folder, elasticsearch.node)
  return folder
}

/** With the role of the example's compose file, if it has one. */
function createAccounts(example: string, folder: string, { url }: Elasticsearch): void {
  const role = readCompose(example).services.accounts!.command!.slice(4)
  execFileSync(pathOf('setup', 'accounts.sh'), [folder, url, ...role], { stdio: ['ignore', 'ignore', 'inherit'] })
}

/** The flags for this Redis. The type of the cache comes from the example. */
function redisFlagsFor({ address }: RedisServer) {
  return { 'cache.redis_host': address, 'cache.redis_timeout': redisFlags['cache.redis_timeout'] }
}

function fetchWith(
  { url }: Gateway,
  headers: Record<string, string> = {},
  path = '/_security/_authenticate',
): Promise<Response> {
  return fetch(url + path, { headers })
}

/** The arguments of the `docker run` in the first lines of a file, as a shell in `directory` expands them. */
function readDockerRun(file: string, directory: string) {
  const [command] = /docker run --detach(?:.*\\\n)+.*/.exec(readFileSync(file, 'utf8').replaceAll(/^# +/gm, ''))!
  const script = `docker() { printf '%s\\n' "$@"; }\n${command}`
  const args = execFileSync('bash', ['-c', script], { cwd: directory, encoding: 'utf8' }).trimEnd().split('\n')
  return { args, env: valuesAfter(args, '--env').map((variable) => variable.split('=')), image: args.at(-1)! }
}

function valuesAfter(args: readonly string[], flag: string): string[] {
  return args.flatMap((arg, i) => (arg === flag ? [args[i + 1]!] : []))
}

/** Sends a request. The certificate of the server has to be for the name in the `host` header. */
function getOverTls(
  url: string,
  ca: string,
  headers: Record<string, string> & { host: string },
): Promise<HttpsResponse> {
  return new Promise((resolve, reject) => {
    get(url, { ca, headers, servername: headers.host.replace(/:\d+$/, '') }, async (response) => {
      const { statusCode: status, headers: received } = response
      resolve({ status, headers: received, body: await text(response) })
    }).once('error', reject)
  })
}

// One file, because files run in parallel, and accounts.sh sets the password of the same service account for every example.
describe('the examples, with a real Elasticsearch', { skip: elasticsearch.skip }, () => {
  test("traefik-authelia: only a request with the proxy secret gets alice's credential, which has her roles", {
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
      { ...redisFlagsFor(redis), trusted_proxies: 'loopback' },
      folder,
    )
    const identity = { 'Remote-User': 'alice', 'Remote-Groups': 'admins,users' }

    assert.equal((await fetchWith(gateway, identity, '/')).status, 401)
    const withSecret = { ...identity, 'X-Elastauth-Proxy-Secret': read('elastauth/proxy-secret') }
    const response = await fetchWith(gateway, withSecret, '/')
    assert.equal(response.status, 200, await response.text())
    const login = await logIn(elasticsearch.node, response.headers.get('authorization'))
    assert.deepEqual(login.roles?.toSorted(), ['kibana_admin', 'monitoring_user', 'viewer'])
    assert.equal(await redis.client.exists('elastauth:1:alice'), 1)
  })

  test("caddy-authelia: through Caddy, with TLS and the files of setup.sh, alice's requests reach Elasticsearch as alice", {
    skip: skipWithout(caddyExample),
  }, async () => {
    const folder = prepare('caddy-authelia')
    const read = (path: string) => readFileSync(join(folder, path), 'utf8')
    const cleanup = new AsyncDisposableStack()
    after(() => cleanup.disposeAsync())
    const gateway = await startExample('caddy-authelia', { trusted_proxies: 'loopback' }, folder)
    const tls = { cert: read('elasticsearch/tls.crt'), key: read('elasticsearch/tls.key') }
    const application = createServer(tls, async ({ url, headers }, response) => {
      const { authorization = '' } = headers
      const { body } = await fetch(elasticsearch.node.url + url, { headers: { authorization } })
      response.setHeader('X-Received', JSON.stringify(headers))
      await pipeline(body!, response)
    })
    const healthPort = await findFreePort()
    const caddy = createCaddyExample('Caddy with TLS', ({ port }, { kibana }) => ({
      caddyfile: {
        'elasticsearch:9200': kibana.replace('127.0.0.1', 'localhost'),
        '.elastauth.localhost:8443 {': `.elastauth.localhost:${port} {`,
        '127.0.0.1:8080': `127.0.0.1:${healthPort}`,
        '/secrets/': `${folder}/caddy/`,
      },
      env: { SSL_CERT_FILE: `${folder}/caddy/ca.crt` },
    }))
    const { port } = await startRealProxy(
      caddy,
      {
        authelia: await startFakeAuthelia({ alice: { username: 'alice', groups: 'admins,users' } }, cleanup),
        elastauth: new URL(gateway.url).host,
        kibana: await listen(application, cleanup),
        proxySecret: '',
      },
      cleanup,
    )
    const fetchAs = (headers: Record<string, string>) =>
      getOverTls(`https://127.0.0.1:${port}/_security/_authenticate`, read('caddy/ca.crt'), {
        host: `elasticsearch.elastauth.localhost:${port}`,
        ...headers,
      })

    const anonymous = await fetchAs({ 'Remote-User': 'alice', 'Remote-Groups': 'admins' })
    assert.equal(anonymous.status, 401)
    const response = await fetchAs({ cookie: 'session=alice' })
    assert.equal(response.status, 200, response.body)
    const { username, roles } = JSON.parse(response.body) as { username: string; roles: string[] }
    assert.deepEqual([username, roles.sort()], ['alice', ['kibana_admin', 'monitoring_user', 'viewer']])
    assert.doesNotMatch(String(response.headers['x-received']), /remote-|proxy-secret/)
    assert.equal((await fetch(`http://127.0.0.1:${healthPort}/`)).status, 200)
    // Caddy has the secret from setup.sh, but other processes on this machine do not.
    assert.equal((await fetchWith(gateway, { 'Remote-User': 'alice', 'Remote-Groups': 'admins' }, '/')).status, 401)
  })

  test('local-dev: every request reaches Elasticsearch as the developer', async () => {
    const gateway = await startExample('local-dev', { 'proxy.elasticsearch_url': elasticsearch.node.url })
    const response = await fetchWith(gateway)
    assert.equal(response.status, 200)
    const { username, roles } = (await response.json()) as { username: string; roles: string[] }
    assert.deepEqual([username, roles.sort()], ['developer', ['developer', 'kibana_admin', 'monitoring_user']])
    const create = { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: '{}' }
    const index = await fetch(`${gateway.url}/local-dev-example`, create)
    assert.equal(index.status, 200, await index.text())
    await fetch(`${gateway.url}/local-dev-example`, { method: 'DELETE' })
    assert.equal((await fetchWith(gateway, {}, '/_security/user')).status, 403)
  })

  test('standalone-kibana: a user who chooses Dex is redirected to it, with a client and a redirect URI that Dex is configured with', async () => {
    const folder = prepare('standalone-kibana')
    const read = (path: string) => readFileSync(join(folder, path), 'utf8')
    const gateway = await startExample('standalone-kibana', {}, folder)
    const { status, headers } = await getOverTls(
      `${gateway.url}/elastauth/login?with=provider&return_to=%2Fapp%2Fhome`,
      read('elastauth/ca.crt'),
      { host: 'kibana.elastauth.localhost:8443', accept: 'text/html' },
    )
    assert.equal(status, 302)
    const location = new URL(headers.location!)
    const dex = parse(read('dex/dex.yml'))
    const [client] = dex.staticClients
    assert.equal(location.origin + location.pathname, `${dex.issuer}/auth`)
    assert.equal(location.searchParams.get('client_id'), client.id)
    assert.deepEqual(client.redirectURIs, [location.searchParams.get('redirect_uri')])
    assert.equal(client.secret, read('elastauth/client-secret').trim())
  })

  test('standalone-kibana: carol signs in with the form and the password that setup.sh has generated', async () => {
    const folder = prepare('standalone-kibana')
    const password = readFileSync(join(folder, 'elastauth/carol'), 'utf8').trim()
    const gateway = await startWithoutTls('standalone-kibana', folder)
    const { agent } = await signInWithForm(gateway.url, 'carol', { password })
    const { username, roles } = JSON.parse(await (await agent.request(`${gateway.url}/_security/_authenticate`)).text())
    assert.deepEqual([username, roles], ['carol', ['viewer']])
  })

  test('keycloak-proxy: users are redirected to Keycloak with the client, the redirect URIs, PKCE and the secret of its realm', async () => {
    const folder = prepare('keycloak-proxy')
    const read = (path: string) => readFileSync(join(folder, path), 'utf8')
    const realm = JSON.parse(read('keycloak-import/elastauth-realm.json')) as Realm
    const [client] = realm.clients
    const gateway = await startExample('keycloak-proxy', {}, folder)
    const { status, headers } = await getOverTls(`${gateway.url}/app/home`, read('elastauth/ca.crt'), {
      host: 'kibana.elastauth.localhost:8443',
      accept: 'text/html',
    })
    assert.equal(status, 302)
    const { origin, pathname, searchParams } = new URL(headers.location!)
    const hostname = /^hostname=(.*)$/m.exec(read('keycloak/keycloak.conf'))![1]
    assert.equal(origin + pathname, `${hostname}/realms/${realm.realm}/protocol/openid-connect/auth`)
    assert.equal(searchParams.get('client_id'), client.clientId)
    assert.deepEqual(client.redirectUris, [searchParams.get('redirect_uri')])
    assert.equal(client.attributes['pkce.code.challenge.method'], searchParams.get('code_challenge_method'))
    assert.equal(client.secret, read('elastauth/client-secret').trim())
    const { oidc } = parse(readFileSync(pathOf('keycloak-proxy', 'elastauth.yml'), 'utf8'))
    assert.equal(client.attributes['post.logout.redirect.uris'], oidc.post_logout_redirect_url)
    // Keycloak reaches elastauth by this name and port, which its certificate is for.
    const backChannel = new URL(client.attributes['backchannel.logout.url']!)
    const logout = await getOverTls(`${gateway.url}${backChannel.pathname}`, read('elastauth/ca.crt'), {
      host: backChannel.host,
    })
    assert.equal(logout.status, 405)
    const users = Object.fromEntries(realm.users.map(({ username, credentials }) => [username, credentials[0].value]))
    assert.deepEqual(users, { alice: read('keycloak/alice').trim(), bob: read('keycloak/bob').trim() })
  })

  test('keycloak-proxy: alice signs in with the claims that Keycloak sends, stays signed in when elastauth restarts, and has the roles of her groups in Elasticsearch', {
    skip: skipWithoutRedis(),
  }, async () => {
    const folder = prepare('keycloak-proxy')
    const read = (path: string) => readFileSync(join(folder, path), 'utf8').trim()
    const redis = await startRedis({
      config: read('redis/redis.conf').split('\n'),
      client: { password: read('redis/password') },
    })
    const idp = await startOidcProvider()
    after(() => Promise.all([redis.stop(), idp.stop()]))
    // As Keycloak 26.7 sends them.
    idp.accounts.set('alice', {
      email_verified: true,
      name: 'Alice Admin',
      groups: ['/admins', '/users'],
      preferred_username: 'alice',
      given_name: 'Alice',
      family_name: 'Admin',
      email: 'alice@example.com',
      realm_access: { roles: ['offline_access', 'uma_authorization', 'users', 'default-roles-elastauth'] },
    })
    const listen = `127.0.0.1:${await findFreePort()}`
    const url = `http://${listen}`
    idp.register(url)
    const start = async (flags: Record<string, string> = {}) => {
      const gateway = await startWithoutTls(
        'keycloak-proxy',
        folder,
        {
          listen,
          ...redisFlagsFor(redis),
          'oidc.issuer': idp.issuer,
          'oidc.authorization_endpoint': `${idp.issuer}/auth`,
          'oidc.end_session_endpoint': `${idp.issuer}/session/end`,
          'oidc.token_endpoint': `${idp.issuer}/token`,
          'oidc.jwks_uri': `${idp.issuer}/jwks`,
          'oidc.post_logout_redirect_url': `${url}/elastauth/signed-out`,
          ...flags,
        },
        { ELASTAUTH_OIDC_CLIENT_SECRET: idp.clientSecret },
      )
      return gateway
    }
    const agent = createUserAgent()
    const whoIs = async (visitor: UserAgent) => {
      const { body } = await visitor.visit(`${url}/_security/_authenticate`, 'alice')
      const { username, roles, email } = JSON.parse(body) as { username: string; roles: string[]; email: string }
      return { username, email, roles: roles.toSorted() }
    }
    const alice = {
      username: 'alice',
      email: 'alice@example.com',
      roles: ['kibana_admin', 'monitoring_user', 'viewer'],
    }

    const first = await start()
    assert.deepEqual(await whoIs(agent), alice)
    await first.stop()
    const second = await start()
    const signIns = idp.calls('authorization')
    assert.deepEqual(await whoIs(agent), alice)
    assert.equal(idp.calls('authorization'), signIns)
    await second.stop()

    // A sub-group of users with the name of another group is not that group.
    const claims = idp.accounts.get('alice')!
    idp.accounts.set('alice', { ...claims, groups: ['/users/admins', '/users'] })
    const third = await start()
    assert.deepEqual(await whoIs(createUserAgent()), { ...alice, roles: ['viewer'] })
    await third.stop()

    idp.accounts.set('alice', { ...claims, groups: [] })
    const config = join(mkdtempSync(join(tmpdir(), 'elastauth-keycloak-')), 'config.yml')
    after(() => rmSync(dirname(config), { recursive: true }))
    const text = readFileSync(pathOf('keycloak-proxy', 'elastauth.yml'), 'utf8')
    writeFileSync(config, adapt(text, { '  strip_group_prefix: /\n': '' }))
    await start({ config, 'oidc.claim_mappings.groups': 'realm_access.roles' })
    assert.deepEqual(await whoIs(createUserAgent()), { ...alice, roles: ['viewer'] })
  })

  test('sign-in-form: elastauth, started as the file says with a hash from the image, lets alice sign in with the form and with curl', async () => {
    const folder = prepare('standalone-kibana') // for the service account and its files
    const { args, env, image } = readDockerRun(pathOf('sign-in-form', 'elastauth.yml'), folder)
    for (const flag of ['--read-only', '--cap-drop ALL', '--security-opt no-new-privileges:true'])
      assert.ok(args.join(' ').includes(flag), flag)
    assert.match(valuesAfter(args, '--publish').join(), /^127\.0\.0\.1:/)
    assert.equal(image, 'elastauth')
    assert.deepEqual(valuesAfter(args, '--volume'), [
      `${folder}/elastauth.yml:/app/config.yml:ro`,
      `${folder}:/secrets:ro`,
    ])
    const password = 'a password of alice'
    const { stdout: hash } = await runElastauth(['hash-password'], {}, `${password}\n`)
    const directory = mkdtempSync(join(tmpdir(), 'elastauth-sign-in-form-'))
    after(() => rmSync(directory, { recursive: true }))
    const users = join(directory, 'users.yml')
    writeFileSync(users, `users:\n  alice: { groups: [admins], password_hash: "${hash.trim()}" }\n`)
    const config = join(directory, 'config.yml')
    const text = adapt(readFileSync(pathOf('sign-in-form', 'elastauth.yml'), 'utf8'), {
      'https://elasticsearch.example.com:9200': elasticsearch.node.url,
      '/secrets/users.yml': users,
      '/secrets/ca.crt': `${folder}/elastauth/ca.crt`,
      // Elasticsearch has no TLS here, so it is off for upstreams.
      '  tls: { enabled: true, ': '  # tls: { enabled: true, ',
    })
    writeFileSync(config, text)
    const files = env.map(([name, path]) => [name!, path!.replace('/secrets', `${folder}/elastauth`)] as const)
    const gateway = await startGateway({
      flags: { ...elasticsearchFlags, config },
      env: { ...Object.fromEntries(files), ELASTAUTH_SECRET_KEY: '' },
    })
    after(() => gateway.stop())
    const { agent } = await signInWithForm(gateway.url, 'alice', { password })
    const inBrowser = await agent.request(`${gateway.url}/_security/_authenticate`)
    const authorization = `Basic ${btoa(`alice:${password}`)}`
    for (const response of [inBrowser, await fetchWith(gateway, { authorization })]) {
      const { username, roles } = JSON.parse(await response.text()) as { username: string; roles: string[] }
      assert.deepEqual([username, roles.sort()], ['alice', ['kibana_admin', 'monitoring_user', 'viewer']])
    }
  })

  test('local-dev with CONFIG=sign-in: two users sign in with the form, and only one of them may create an index', async () => {
    const flags = { config: pathOf('local-dev', 'sign-in.yml'), 'proxy.elasticsearch_url': elasticsearch.node.url }
    const { url } = await startExample('local-dev', flags)
    for (const [username, status] of [
      ['bob', 403],
      ['alice', 200],
    ] as const) {
      const { agent } = await signInWithForm(url, username, { password: username })
      const headers = { 'sec-fetch-site': 'same-origin' }
      assert.equal(
        (await agent.request(`${url}/local-dev-sign-in`, { method: 'PUT', headers })).status,
        status,
        username,
      )
    }
    await callElasticsearch(elasticsearch.node, '/local-dev-sign-in', { method: 'DELETE' })
  })

  test('the service account of accounts.sh can manage users and cannot read data', async () => {
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
