import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import { createServer, type TLSSocket } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { createApp } from '../../src/app/app.ts'
import { createLog } from '../../src/observability/log.ts'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { testKey } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { createSignal, eventually } from '../support/wait.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-reload-'))
after(() => rmSync(directory, { recursive: true }))

const [authority, anotherAuthority] = [createCertificateAuthority(), createCertificateAuthority()]
const [first, second] = [authority.issue('first'), authority.issue('second')]

/** The files that a reload reads again, by the configuration key with their path. */
const files = {
  'tls.cert': 'cert',
  'tls.key': 'key',
  'cache.redis_ca_cert': 'ca',
  'cache.redis_client_cert': 'cert',
  'cache.redis_client_key': 'key',
  'proxy.tls.ca_cert': 'ca',
  'proxy.tls.client_cert': 'cert',
  'proxy.tls.client_key': 'key',
  'elasticsearch.ca_cert': 'ca',
  'elasticsearch.client_cert': 'cert',
  'elasticsearch.client_key': 'key',
} as const
const providerCa = 'oidc.ca_cert'

const pathOf = (key: string) => join(directory, `${key}.pem`)

function writeFiles({ cert, key }: Readonly<{ cert: string; key: string }>, providersCa: string): void {
  const texts = { cert, key, ca: authority.cert }
  for (const [name, kind] of Object.entries(files)) writeFileSync(pathOf(name), texts[kind])
  writeFileSync(pathOf(providerCa), providersCa)
}

/**
 * elastauth in this process, because a configuration with an invalid file is rejected before the reload: here the file
 * becomes invalid afterwards. All servers that it connects to record the client certificate of each connection.
 */
describe('a reload', async () => {
  writeFiles(first, authority.cert)
  const [elasticsearch, redis, upstream] = await Promise.all([
    startRecordingServer(() => 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'),
    startRecordingServer((commands) => '+OK\r\n'.repeat(commands.match(/^\*\d+\r$/gm)?.length ?? 0)),
    startRecordingServer(() => 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'),
  ])
  const provider = await startUpstream(
    ({ url }, response) => {
      response.setHeader('Connection', 'close').setHeader('Content-Type', 'application/json')
      const metadata = { issuer: provider.url, userinfo_endpoint: `${provider.url}/userinfo` }
      if (url === '/.well-known/openid-configuration') response.end(JSON.stringify(metadata))
      else response.writeHead(401).end('{}')
    },
    { tls: authority.issue('provider') },
  )
  const settings = {
    listen: 'https://127.0.0.1:0',
    'elasticsearch.hosts': `https://127.0.0.1:${elasticsearch.port}`,
    'elasticsearch.timeout': '1s',
    'cache.type': 'redis',
    'cache.redis_host': `127.0.0.1:${redis.port}`,
    'cache.redis_timeout': '1s',
    'proxy.enabled': 'true',
    'proxy.tls.enabled': 'true',
    auth_providers: 'oidc,authelia',
    'oidc.issuer': provider.url,
    'oidc.client_id': 'kibana',
    'oidc.login': 'false',
    'oidc.token_validation': 'userinfo',
    'oidc.timeout': '30s', // on a busy machine, a call may take longer than the default of 5 s
    ...Object.fromEntries([...Object.keys(files), providerCa].map((key) => [key, pathOf(key)])),
  }
  const routes = [
    { path: '/public', auth: 'none', upstreams: [`https://127.0.0.1:${upstream.port}`] },
    { upstreams: [`https://127.0.0.1:${upstream.port}`] },
  ]
  const load = (changes: Readonly<Record<string, string>>) =>
    loadConfig({
      file: null,
      env: {
        ELASTAUTH_SECRET_KEY: testKey,
        ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic',
        ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme',
        ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes),
        ELASTAUTH_GROUP_MAPPINGS: '{"staff":["editor"]}',
      },
      flags: { ...settings, ...changes },
    }).config

  const app = await createApp(
    load({ default_roles: 'first' }),
    await createLog({ level: 'silent', format: 'json', destination: { write: () => {} } }),
  )
  const [address = ''] = await app.listen()
  after(() => app.close())

  /** What is in effect, as new connections to and from elastauth show. */
  async function observe() {
    const { body, certificate } = await send(address, '/elastauth/config')
    const [upstreams] = await Promise.all([upstream.nextClient(), send(address, '/public')])
    const user = { 'Remote-User': randomUUID(), 'Remote-Groups': 'staff' }
    const [Elasticsearch] = await Promise.all([elasticsearch.nextClient(), send(address, '/private', user)])
    redis.disconnect()
    const Redis = await redis.nextClient()
    const token = await send(address, '/elastauth/whoami', { Authorization: `Bearer ${randomUUID()}` })
    const handlers = JSON.parse(body).default_roles[0]
    return { handlers, listeners: certificate, upstreams, Elasticsearch, Redis, provider: JSON.parse(token.body).error }
  }

  const before = everywhere('first', 'token_invalid')
  const next = { default_roles: 'second', log_format: 'text' }

  test('before a reload, the configuration and the certificates of the start are in effect', async () => {
    assert.deepEqual(await observe(), before)
  })

  const brokenFiles = [...Object.entries(files), [providerCa, 'ca'] as const].filter(([, kind]) => kind !== 'cert')
  for (const [key, kind] of brokenFiles) {
    test(`a reload changes nothing if the file of ${key} is broken`, async () => {
      writeFiles(second, anotherAuthority.cert)
      const config = load(next)
      writeFileSync(pathOf(key), kind === 'key' ? first.key : 'no certificate')
      assert.throws(() => app.reload(config), kind === 'key' ? /key values mismatch/ : /contains no certificate/)
      assert.deepEqual(await observe(), before)
    })

    test(`a reload changes nothing if the file of ${key} is missing`, async () => {
      writeFiles(second, anotherAuthority.cert)
      const config = load(next)
      rmSync(pathOf(key))
      assert.throws(() => app.reload(config), /ENOENT/)
      assert.deepEqual(await observe(), before)
    })
  }

  const brokenConfigs: [what: string, keys: Partial<Config>, reason: RegExp][] = [
    ['the request handlers cannot be created', { trusted_proxies: ['10.0.0.0/99'] }, /out of range/],
    ['the configuration lost a key that protects access', { group_mappings: {} }, /group_mappings would go back/],
  ]
  for (const [what, keys, reason] of brokenConfigs) {
    test(`a reload changes nothing if ${what}`, async () => {
      writeFiles(second, anotherAuthority.cert)
      assert.throws(() => app.reload({ ...load(next), ...keys }), reason)
      assert.deepEqual(await observe(), before)
    })
  }

  test('a reload with valid files replaces the handlers and all certificates, and returns the keys that need a restart', async () => {
    writeFiles(second, anotherAuthority.cert)
    assert.deepEqual(app.reload(load(next)).ignored, ['log_format'])
    const renewed = everywhere('second', 'provider_unavailable') // the provider's certificate is of the former CA
    await eventually(observe, (state) => isDeepStrictEqual(state, renewed)) // a background call may end on a former connection
  })
})

function everywhere(name: string, provider: string) {
  return { handlers: name, listeners: name, upstreams: name, Elasticsearch: name, Redis: name, provider }
}

/** Starts a TLS server that replies the same to all clients, and records the names of their certificates. */
async function startRecordingServer(reply: (received: string) => string) {
  const clients: string[] = []
  const sockets = new Set<TLSSocket>()
  const { notify, waitFor } = createSignal()
  const server = createServer(
    { ...authority.issue('server'), ca: authority.cert, requestCert: true, rejectUnauthorized: true },
    (socket) => {
      clients.push(nameOf(socket))
      notify()
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => sockets.delete(socket))
      socket.on('data', (chunk) => socket.write(reply(String(chunk))))
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const disconnect = () => {
    for (const socket of sockets) socket.destroy()
  }
  after(() => {
    server.close()
    disconnect()
  })
  return {
    port: (server.address() as AddressInfo).port,
    disconnect,
    /** Resolves to the name in the certificate of the next client that connects. */
    async nextClient() {
      const { length } = clients
      return waitFor(() => clients[length])
    },
  }
}

/** Sends a request on a new connection. @returns the body, and the name in the listener's certificate */
async function send(address: string, path: string, headers: Readonly<Record<string, string>> = {}) {
  const sent = request(`${address}${path}`, { ca: authority.cert, agent: false, headers }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const certificate = nameOf(response.socket as TLSSocket)
  return { certificate, body: await text(response) }
}

function nameOf(socket: TLSSocket): string {
  return String(socket.getPeerCertificate().subject?.CN)
}
