import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { createApp } from '../../src/app/app.ts'
import { createExplainer, type Explainer } from '../../src/explain/explain.ts'
import { type Explanation, NotExplainable } from '../../src/explain/explanation.ts'
import { createLog } from '../../src/observability/log.ts'
import { endpointPath } from '../../src/server/router.ts'
import { createUser } from '../support/fake-elasticsearch/accounts.ts'
import { createFakeElasticsearch, type FakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { createRandom, type Random } from '../support/fuzz/random.ts'
import { testKey } from '../support/gateway.ts'
import { findFreePort } from '../support/port.ts'
import { openRaw, type RawResponse } from '../support/raw-http.ts'
import { passwords, users } from '../support/sign-in-form.ts'
import { startUpstream } from '../support/upstream.ts'
import { createSignal } from '../support/wait.ts'

/** The requests of all configurations together. A request depends only on the seed and its number. */
const count = Number(process.env.EXPLAIN_REQUESTS ?? 10_000)
const seed = Number(process.env.EXPLAIN_SEED ?? 1)

const secret = 'a-shared-secret-of-32-characters'
const json = JSON.stringify
const roles = {
  ELASTAUTH_GROUP_MAPPINGS: json({ 'dev*': ['dev', '{group}-reader'], admins: ['superuser'], Ärzte: ['doctor'] }),
}
const route = (more: object) => ({ upstreams: ['UPSTREAM'], ...more })
const proxy = {
  ELASTAUTH_PROXY_ENABLED: 'true',
  ELASTAUTH_PROXY_ROUTES: json([
    route({ path: '/open', auth: 'none' }),
    route({ path: '/named', credential: 'none', identity_headers: true }),
    route({ path: '/stripped', strip_path: true }),
    route({ host: 'kibana' }),
    route({ path: '/app' }),
  ]),
}

/** Environment variables, by the name of the configuration. */
const configurations: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'headers of a proxy': { ...roles, ELASTAUTH_DEFAULT_ROLES: 'viewer' },
  'nginx with a proxy secret and a whitelist': {
    ...roles,
    ELASTAUTH_FORWARD_AUTH_PROFILE: 'nginx',
    ELASTAUTH_PROXY_SECRET: secret,
    ELASTAUTH_ENABLE_GROUP_WHITELIST: 'true',
    ELASTAUTH_GROUP_WHITELIST: 'DEVS,ops',
  },
  'a path prefix and two providers': {
    ...roles,
    ELASTAUTH_FORWARD_AUTH_PATH_PREFIX: '/authz',
    ELASTAUTH_AUTH_PROVIDERS: 'elasticsearch,authelia',
  },
  'a form for users': {
    ...roles,
    ELASTAUTH_AUTH_PROVIDER: 'users',
    ELASTAUTH_USERS_INLINE: json(users),
  },
  'headers with other names': {
    ...roles,
    ELASTAUTH_AUTH_PROVIDER: 'oauth2-proxy',
    ELASTAUTH_HEADERS_USERNAME: 'Remote-User',
    ELASTAUTH_HEADERS_GROUPS: 'Remote-Groups',
    ELASTAUTH_HEADERS_EMAIL: 'Remote-Email',
    ELASTAUTH_TRUSTED_PROXIES: 'all',
  },
  'one user': {
    ELASTAUTH_AUTH_PROVIDER: 'static',
    ELASTAUTH_STATIC_USERNAME: 'guest',
    ELASTAUTH_DEFAULT_ROLES: 'viewer',
  },
  'separate listeners': { ...roles, ELASTAUTH_FORWARD_AUTH_LISTEN: 'SUB-REQUESTS' },
  'a proxy of upstreams': { ...roles, ...proxy },
  'a proxy with a secret, keys and a form': {
    ...roles,
    ...proxy,
    ELASTAUTH_PROXY_SECRET: secret,
    ELASTAUTH_AUTH_PROVIDERS: 'elasticsearch,users,authelia',
    ELASTAUTH_USERS_INLINE: json(users),
  },
}

describe('explain and a running server agree', { timeout: 900_000 }, async () => {
  const upstream = await startUpstream((_request, response) => response.writeHead(200, { 'X-Upstream': 'yes' }).end())
  const each = Math.ceil(count / Object.keys(configurations).length)
  for (const [index, [name, env]] of Object.entries(configurations).entries()) {
    test(`on the status, the error code and the roles of ${each} random requests with ${name}`, async (context) => {
      const bed = await startBed(env, upstream.url)
      context.after(bed.stop)
      const counts = { skipped: 0, codes: new Map<string, number>() }
      for (let number = 0; number < each; number++) {
        const request = randomRequest(createRandom(seed, index, number), bed.ports)
        const failure = await compare(bed, request, counts)
        if (failure !== undefined) assert.fail(`request ${number}: ${failure}\n${json(request, null, 2)}`)
      }
      context.diagnostic(json([...counts.codes]))
      assert.ok(counts.skipped < each / 10, `${counts.skipped} requests were not explained`)
      assert.ok(counts.codes.size >= 4, `only ${counts.codes.size} kinds of outcomes`)
    })
  }
})

type Bed = Readonly<{
  ports: Readonly<Record<'everything' | 'subRequests', number>>
  explainer: Explainer
  elasticsearch: FakeElasticsearch
  /** Resolves to the log line of the request after `seen` lines. */
  requestLine: (seen: number) => Promise<LogLine>
  countLines: () => number
  stop: () => Promise<void>
}>

type LogLine = Readonly<Record<string, unknown>>

/** A server in this process with a fake Elasticsearch, and an explainer with the same configuration. */
async function startBed(env: Readonly<Record<string, string>>, upstreamUrl: string): Promise<Bed> {
  const elasticsearch = createFakeElasticsearch()
  const url = await elasticsearch.listen()
  elasticsearch.users.set('foreign', createUser({ password: 'unknown' }))
  elasticsearch.users.set('disabled', createUser({ password: 'unknown', enabled: false }))
  const everything = await findFreePort()
  const ports = {
    everything,
    subRequests: 'ELASTAUTH_FORWARD_AUTH_LISTEN' in env ? await findFreePort() : everything,
  }
  const config = load(env, { url, upstreamUrl, ports })
  const lines: LogLine[] = []
  const { notify, waitFor } = createSignal()
  const destination = {
    write(text: string) {
      const line = JSON.parse(text)
      const isRequest = 'url.path' in line || line['event.action'] === 'connection_rejected'
      if (isRequest) lines.push(line)
      notify()
    },
  }
  const app = await createApp(config, await createLog({ level: 'debug', format: 'json', destination }))
  await app.listen()
  const explainer = await createExplainer(config, true)
  return {
    ...{ ports, explainer, elasticsearch },
    countLines: () => lines.length,
    requestLine: async (seen) =>
      (await waitFor(
        () => lines[seen],
        () => false,
      ))!,
    async stop() {
      explainer.close()
      await app.close()
      await elasticsearch.close()
    },
  }
}

function load(
  env: Readonly<Record<string, string>>,
  { url, upstreamUrl, ports }: Readonly<{ url: string; upstreamUrl: string; ports: Bed['ports'] }>,
): Config {
  const replaced = Object.entries(env).map(([name, value]) => [
    name,
    value.replaceAll('UPSTREAM', upstreamUrl).replace('SUB-REQUESTS', `127.0.0.1:${ports.subRequests}`),
  ])
  return loadConfig({
    file: null,
    flags: {},
    env: {
      ELASTAUTH_SECRET_KEY: testKey,
      ELASTAUTH_ELASTICSEARCH_HOSTS: url,
      ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic',
      ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme',
      ELASTAUTH_LISTEN: `127.0.0.1:${ports.everything}`,
      ELASTAUTH_TRUSTED_PROXIES: '127.0.0.2,127.0.0.4/31',
      ...Object.fromEntries(replaced),
    },
  }).config
}

type RandomRequest = Readonly<{ lines: readonly string[]; target: string; from: string }>

const groupValues = [
  'devs',
  'DEVS, ops',
  'admins',
  'dev-a,dev b',
  'Ã\x84rzte',
  'others',
  '',
  ' , ',
  'ops',
  'a\xffb',
  'dev\tx',
]
const names = [
  'u1',
  'u2',
  'u3',
  'Ünal',
  'a b',
  '..',
  'elastic',
  'foreign',
  'disabled',
  '',
  'x'.repeat(300),
  'a@b.c',
  '\xff',
]

/** Latin-1 text: each character is a byte. Some of it is not valid HTTP. */
function randomRequest(random: Random, ports: Bed['ports']): RandomRequest {
  const { of, oneIn, shuffled } = random
  const method = oneIn(4) ? of(['POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE', 'FOO', 'get']) : 'GET'
  const target = oneIn(4) ? of(targets) : '/'
  const hosts = [
    `evil.test:${ports.everything}`,
    'kibana',
    'localhost',
    `127.0.0.1:${ports.everything}`,
    '[::1]',
    'a,b',
  ]
  const headers = [
    ...(oneIn(30) ? [] : [`Host: ${oneIn(2) ? of(hosts) : 'kibana'}`]),
    ...identityHeaders(random),
    ...(oneIn(3) ? [] : [`X-Elastauth-Proxy-Secret: ${oneIn(6) ? 'wrong' : secret}`]),
    ...otherHeaders.filter(() => oneIn(20)),
    ...(oneIn(60) ? ['Broken header'] : []),
  ]
  const doubled = headers.flatMap((header) => (oneIn(60) ? [header, header] : [header]))
  return {
    lines: [`${method} ${target} HTTP/1.1`, ...(oneIn(2) ? shuffled(doubled) : doubled)],
    target,
    from: `127.0.0.${of([1, 2, 2, 2, 4, 5, 9])}`,
  }
}

/** A user has the same groups in all requests, because a change of groups is written only once in five seconds. */
function identityHeaders({ of, below, oneIn }: Random): string[] {
  if (oneIn(5)) return []
  const groups = below(groupValues.length + 1)
  const name = oneIn(3) ? of(names) : of(['u1', 'u2', 'u3'])
  const isOrdinary = /^u\d$|^a@/.test(name)
  const spelling = oneIn(20) ? of(['Remote_User', 'Remote.User', 'X-Forwarded-User', 'X-Remote-User']) : 'Remote-User'
  return [
    `${oneIn(4) ? spelling.toLowerCase() : spelling}: ${isOrdinary ? `${name}-${groups}` : name}`,
    ...(groups === groupValues.length ? [] : [`Remote-Groups: ${groupValues[groups]}`]),
    ...(oneIn(4) ? [`Remote-Email: ${of(['a@example.com', 'b@example.com', 'not an address', 'x'.repeat(400)])}`] : []),
    ...(oneIn(4) ? [`Remote-Name: ${of(['Alice', 'Alice B', 'J\xc3\xbcrgen', 'J\xfcrgen', 'n'.repeat(600)])}`] : []),
  ]
}

const targets = [
  ...[
    '/?a=b',
    '//',
    '/elastauth',
    '/auth',
    '/authz',
    '/authz/',
    '/authz/app',
    '/authz/../elastauth/whoami',
    '/app/../x',
  ],
  ...[
    '/authz/%2e%2e/elastauth/',
    '/authz/elastauth/login',
    '*',
    'http://kibana/app',
    '/open/x',
    '/named',
    '/stripped/a',
  ],
  ...[
    '/elastauth/whoami',
    '/%65lastauth/whoami',
    '/elastauth/absent',
    '/app/%zz',
    '/app/a b',
    '/app/\xff',
    '/a#b',
    '/open/../app',
  ],
  ...['/_security/user/u1-0/_password', '/app/api/security/logout', '/stripped//x', '/app;x', '', '/authz?x'],
]

const basic = (text: string) => `Authorization: Basic ${Buffer.from(text).toString('base64')}`
const otherHeaders = [
  ...[
    'Origin: https://evil.test',
    'Origin: http://kibana',
    'Origin: null',
    'Sec-Fetch-Site: cross-site',
    'Referer: http://x/',
  ],
  ...['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document', 'Accept: text/html'],
  ...['X-Forwarded-Method: POST', 'X-Forwarded-Method: nonsense', 'X-Forwarded-Uri: /app', 'X-Forwarded-Host: kibana'],
  ...[
    'X-Forwarded-Proto: https',
    'X-Original-Method: DELETE',
    'X-Original-URL: https://kibana/app',
    'X-Forwarded-For: 1.2.3.4',
  ],
  ...['X-Original-URL: nonsense', 'Connection: Remote-User', 'Connection: close', 'X-Forwarded-Uri: /elastauth/whoami'],
  ...['Sec-WebSocket-Key: x', 'Cookie: a=b', '__proto__: x', 'constructor: x', 'X-Empty:', 'Kbn-Xsrf: x'],
  ...[
    basic('elastic:changeme'),
    basic(`alice:${passwords.alice}`),
    'Authorization: Bearer x',
    'Authorization: Basic !',
  ],
  ...['Authorization: ApiKey eDp5', 'Content-Length: 0', 'Content-Length: x', 'Expect: x'],
]

type Counts = { skipped: number; codes: Map<string, number> }

/** @returns what differs, or undefined */
async function compare(bed: Bed, { lines, target, from }: RandomRequest, counts: Counts): Promise<string | undefined> {
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  const explanation = await bed.explainer
    .explain({ head, target, peer: { address: from } })
    .catch((error) => (error instanceof NotExplainable ? undefined : Promise.reject(error)))
  const actual = await send(bed, { head, target, from, isHead: lines[0]!.startsWith('HEAD ') })
  if (explanation === undefined) {
    counts.skipped++
    return undefined
  }
  const kind = `${explanation.response.status} ${explanation.response.error}`
  counts.codes.set(kind, (counts.codes.get(kind) ?? 0) + 1)
  const explained = outcomeOf(explanation)
  const isSame = json(explained) === json(actual.outcome)
  if (!isSame) return `explained ${json(explained)}, but the server: ${json(actual.outcome)}`
  // An endpoint uses no credential.
  return endpointPath(target) === undefined ? compareRoles(bed, explanation, actual.username) : undefined
}

function outcomeOf({ response, result }: Explanation) {
  const { status, error } = response
  return { status: status ?? 'forwarded', code: error, isAllowed: result === 'allowed' }
}

async function send(
  { ports, countLines, requestLine }: Bed,
  { head, target, from, isHead }: Readonly<{ head: Buffer; target: string; from: string; isHead: boolean }>,
) {
  const seen = countLines()
  const toEndpoint = endpointPath(target) !== undefined
  const port = toEndpoint ? ports.everything : ports.subRequests
  const connection = openRaw(port, { localAddress: from })
  connection.send(head)
  const response = await connection.readResponse({ isHead })
  const line = await requestLine(seen)
  connection.socket.destroy()
  const isForwarded = response.headers.some(([name]) => name === 'X-Upstream')
  const code = line['error.code'] ?? null
  const outcome = {
    status: isForwarded ? 'forwarded' : response.status,
    code,
    isAllowed: isForwarded || isAuthorized(response, toEndpoint, line),
  }
  return { outcome, username: line['user.name'] as string | undefined }
}

function isAuthorized({ status, headers }: RawResponse, toEndpoint: boolean, line: LogLine): boolean {
  if (toEndpoint) return status === 200 && line['user.name'] !== undefined
  return status === 200 && headers.some(([name]) => name === 'Authorization')
}

/** Elasticsearch has the roles that the explanation names, if the credential of the user was used. */
function compareRoles({ elasticsearch }: Bed, { elasticsearch: step, roles, result }: Explanation, username = '') {
  if (step === null || result !== 'allowed') return undefined
  const stored = elasticsearch.users.get(username)?.roles.toSorted()
  return json(stored) === json(roles!.roles) ? undefined : `explained ${json(roles!.roles)}, stored ${json(stored)}`
}
