/** The cases of `npm run bench`. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startOidcProvider } from '../test/support/oidc/provider.ts'
import { skipWithoutRedis, startRedis } from '../test/support/redis/server.ts'
import { signInWithForm, usersEnv, usersFlags } from '../test/support/sign-in-form.ts'
import { bodyCases } from './bodies.ts'
import { crowdCase } from './crowd.ts'
import type { Bench, Case, Goal, Program } from './harness.ts'
import { latencyCase } from './latency.ts'
import { memoryCase } from './memory.ts'
import { metricsCase } from './metrics.ts'
import * as programs from './programs.ts'
import { asDeployed, asDeployedName, dispatch, type Flags, quiet, quietName, type Running } from './programs.ts'
import { redisCase } from './redis.ts'
import {
  cpuPerRequest,
  type Headers,
  http2Load,
  identity,
  measured,
  perRequest,
  readH2spec,
  sendAll,
  webSocketLoad,
  wrk,
} from './requests.ts'
import { startCase } from './start.ts'
import { streamCases } from './streams.ts'
import { unknownUserCases } from './unknown-user.ts'
import { usersCase } from './users.ts'

const http = 'bare node:http'
const withLog = 'node:http with pino-http'
const legacyName = 'Go elastauth'

export const cases: readonly Case[] = [
  { name: 'hit', title: 'A cached user, connections kept', prepare: prepareHit },
  {
    name: 'new-connection',
    title: 'A cached user, a new connection for each request',
    prepare: prepareNewConnection,
  },
  { name: 'proxy', title: 'Proxy mode, a small GET', prepare: prepareProxy },
  { name: 'ways-in', title: 'Each way to authenticate', prepare: prepareWaysIn },
  { name: 'http2', title: 'HTTP/2', prepare: prepareHttp2 },
  { name: 'audit', title: 'Audit log', prepare: prepareAudit },
  { name: 'websocket', title: 'A WebSocket message and its echo', prepare: prepareWebSocket },
  ...bodyCases,
  ...streamCases,
  latencyCase,
  startCase,
  memoryCase,
  redisCase,
  metricsCase,
  ...unknownUserCases,
  usersCase,
  crowdCase,
]

async function prepareHit(bench: Bench): Promise<Program[]> {
  const { node } = await programs.startFakeElasticsearch(bench)
  const load = (one: Running) => wrk(one, bench.seconds)
  const legacy = await startLegacy(bench)
  return [
    measured(http, await programs.startServer(bench, http), load),
    measured(withLog, await programs.startServer(bench, withLog), load),
    measured(quietName, await programs.startElastauth(bench, { ...node, ...quiet }), load),
    measured(asDeployedName, await programs.startElastauth(bench, { ...node, ...asDeployed }), load, 1.5, http),
    legacy ? measured(legacyName, legacy, load) : legacyNotShown,
  ]
}

async function prepareNewConnection(bench: Bench): Promise<Program[]> {
  const { node } = await programs.startFakeElasticsearch(bench)
  const headers = { ...identity, Connection: 'close' }
  const load = (one: Running) => wrk(one, bench.seconds, headers)
  const bare = await programs.startServer(bench, http)
  const logging = await programs.startServer(bench, withLog)
  const silent = await programs.startElastauth(bench, { ...node, ...quiet })
  const own = await programs.startElastauth(bench, { ...node, ...asDeployed })
  const legacy = await startLegacy(bench)
  // V8 optimizes the code of a request only after many requests, more than new connections allow in a short round
  for (const one of [bare, logging, silent, own]) await wrk(one, bench.size(10, 1), headers)
  return [
    measured(http, bare, load),
    measured(withLog, logging, load),
    measured(quietName, silent, load),
    legacy ? measured(legacyName, legacy, load) : legacyNotShown,
    withGoal(measured(asDeployedName, own, load, 1.3, http), { metric: perRequest, to: legacyName, atMost: 0.8 }),
    ...(await prepareTraefik(bench, own, legacy)),
  ]
}

/** Undefined if PREDECESSOR_BIN is not set. */
async function startLegacy(bench: Bench): Promise<Running | undefined> {
  const program = programs.programFrom('PREDECESSOR_BIN')
  return program === undefined ? undefined : programs.startLegacy(bench, program)
}

const legacyNotShown: Program = { name: legacyName, notShown: 'set PREDECESSOR_BIN to the program' }

/** Requests per second through Traefik, which shares the processor with the gateway and opens a connection for each sub-request. */
async function prepareTraefik(bench: Bench, own: Running, legacy: Running | undefined): Promise<Program[]> {
  const name = 'elastauth behind Traefik'
  const legacyBehindTraefik = `${legacyName} behind Traefik`
  const metric = 'requests per second'
  const binary = programs.programFrom('TRAEFIK_BIN')
  if (binary === undefined) return [{ name, notShown: 'set TRAEFIK_BIN to the program' }]
  const upstream = await programs.startServer(bench, 'upstream', '', { isLoad: true })
  const behindTraefik = async (name: string, gateway: Running): Promise<Program> => {
    const traefik = await programs.startTraefik(bench, binary, gateway, upstream, identity)
    await wrk(traefik, bench.size(10, 1))
    return { name, measure: async () => ({ [metric]: (await wrk(traefik, bench.seconds)) / Math.ceil(bench.seconds) }) }
  }
  return [
    ...(legacy ? [await behindTraefik(legacyBehindTraefik, legacy)] : []),
    withGoal(await behindTraefik(name, own), { metric, to: legacyBehindTraefik, atLeast: 1.15 }),
  ]
}

async function prepareProxy(bench: Bench): Promise<Program[]> {
  const upstream = await programs.startServer(bench, 'upstream', '', { isLoad: true })
  const start = (flags: Flags) => programs.startElastauth(bench, programs.proxyFlags(upstream, flags))
  const load = (one: Running) => wrk(one, bench.seconds)
  const nginx = await programs.startNginx(bench, upstream)
  return [
    measured(dispatch, await programs.startServer(bench, dispatch, upstream.url), load),
    measured(quietName, await start(quiet), load, 1.1, dispatch),
    measured(asDeployedName, await start(asDeployed), load, 1.3, dispatch),
    measured('http-proxy-3', await programs.startServer(bench, 'http-proxy-3', upstream.url), load),
    nginx ? measured('nginx', nginx, load) : { name: 'nginx', notShown: 'it is not installed' },
  ]
}

async function prepareWaysIn(bench: Bench): Promise<Program[]> {
  const { node } = await programs.startFakeElasticsearch(bench)
  const provider = await startOidcProvider()
  bench.cleanup.defer(() => provider.stop())
  const { issuer, clientId } = provider
  const oidc = { auth_provider: 'oidc', 'oidc.issuer': issuer, 'oidc.client_id': clientId, 'oidc.login': 'false' }
  const byHeader = await programs.startElastauth(bench, { ...node, ...quiet })
  const byToken = await programs.startElastauth(bench, { ...node, ...quiet, ...oidc })
  const count = bench.size(1000, 20)
  let next = 0
  const sign = async () => bearer(await provider.sign({ jti: String(next++) }))
  const cached = await sign()
  const newUsers = () => Array.from({ length: count }, () => ({ 'Remote-User': `user-${next++}` }))
  const bySession = await programs.startElastauth(bench, { ...node, ...quiet, ...usersFlags }, { env: usersEnv })
  const { agent } = await signInWithForm(bySession.url)
  const session = { Cookie: agent.cookies(bySession.url) }
  const rows = [
    measured('identity headers', byHeader, (one) => wrk(one, bench.seconds)),
    measured('bearer token, cached', byToken, (one) => wrk(one, bench.seconds, cached), 1.25, 'identity headers'),
    measured('session cookie', bySession, (one) => wrk(one, bench.seconds, session)),
    measuredAfter('bearer token, unknown', byToken, () => Promise.all(Array.from({ length: count }, sign))),
    measuredAfter('first sign-in', byHeader, async () => newUsers()),
  ]
  const replica = 'sign-in that another replica knows'
  const reason = skipWithoutRedis()
  if (reason !== false) return [...rows, { name: replica, notShown: reason }]
  const redis = await startRedis()
  bench.cleanup.defer(() => redis.stop())
  const shared = { ...node, ...quiet, 'cache.type': 'redis', 'cache.redis_host': redis.address }
  const first = await programs.startElastauth(bench, shared)
  const second = await programs.startElastauth(bench, shared)
  const signInAtFirst = async () => {
    const users = newUsers()
    await sendAll(first.url, users)
    return users
  }
  return [...rows, measuredAfter(replica, second, signInAtFirst)]
}

async function prepareHttp2(bench: Bench): Promise<Program[]> {
  const { node } = await programs.startFakeElasticsearch(bench)
  const { cert, key } = programs.createCertificate(bench)
  const tls = { env: { TLS_CERT: cert, TLS_KEY: key }, scheme: 'https' }
  const flags = { ...node, ...quiet, listen: 'https://', 'tls.cert': cert, 'tls.key': key }
  const bare = await programs.startServer(bench, 'bare node:http2', '', tls)
  const elastauth = await programs.startElastauth(bench, flags)
  const load = (one: Running) => http2Load(one, bench.seconds)
  const rows = [measured(bare.name, bare, load), measured(quietName, elastauth, load)]
  const h2spec = programs.programFrom('H2SPEC_BIN')
  if (h2spec === undefined) return [...rows, { name: 'h2spec', notShown: 'set H2SPEC_BIN to the program' }]
  const failures = 'h2spec, failed tests'
  // once, because it takes long and gives the same result each time
  const bareFailures = await countFailures(h2spec, bare)
  const ownFailures = await countFailures(h2spec, elastauth)
  const goal = { metric: failures, to: bare.name, atMost: 1 }
  return [
    ...rows,
    { name: `${bare.name}, h2spec`, measure: async () => ({ [failures]: bareFailures }) },
    {
      name: 'elastauth, h2spec',
      measure: async () => ({ [failures]: ownFailures }),
      goals: [{ ...goal, to: `${bare.name}, h2spec` }],
    },
  ]
}

/** A hit is no event; with `audit.requests`, each forwarded request is one. */
async function prepareAudit(bench: Bench): Promise<Program[]> {
  const { node } = await programs.startFakeElasticsearch(bench)
  const upstream = await programs.startServer(bench, 'upstream', '', { isLoad: true })
  const path = join(programs.temporaryDirectory(bench.cleanup), 'audit.json')
  const audit = { 'audit.path': path }
  const load = (one: Running) => wrk(one, bench.seconds)
  const startProxy = (flags: Flags) =>
    programs.startElastauth(bench, programs.proxyFlags(upstream, { ...quiet, ...flags }))
  const [hit, proxied] = ['cached user', 'proxied GET']
  return [
    measured(hit, await programs.startElastauth(bench, { ...node, ...quiet }), load),
    measured(`${hit}, audit`, await programs.startElastauth(bench, { ...node, ...quiet, ...audit }), load, 1.05, hit),
    measured(proxied, await startProxy({}), load),
    measured(
      `${proxied}, audit.requests`,
      await startProxy({ ...audit, 'audit.requests': 'true' }),
      load,
      1.15,
      proxied,
    ),
  ]
}

async function prepareWebSocket(bench: Bench): Promise<Program[]> {
  const upstream = await programs.startServer(bench, 'upstream', '', { isLoad: true })
  const load = (one: Running) => webSocketLoad(one, bench.seconds)
  const elastauth = await programs.startElastauth(bench, programs.proxyFlags(upstream, asDeployed))
  return [
    withRate('bare tunnel', await programs.startServer(bench, 'bare tunnel', upstream.url), load, bench.seconds),
    withRate(asDeployedName, elastauth, load, bench.seconds),
  ]
}

function withGoal(program: Program, goal: Goal): Program {
  return 'measure' in program ? { ...program, goals: [...(program.goals ?? []), goal] } : program
}

function withRate(
  name: string,
  running: Running,
  load: (running: Running) => Promise<number>,
  seconds: number,
): Program {
  return {
    name,
    async measure() {
      let count = 0
      const cpu = await cpuPerRequest(running, async () => {
        count = await load(running)
        return count
      })
      return { [perRequest]: cpu, 'messages per second': count / seconds }
    },
  }
}

/** `prepareRequests` is not measured. */
function measuredAfter(name: string, running: Running, prepareRequests: () => Promise<readonly Headers[]>): Program {
  return {
    name,
    async measure() {
      const requests = await prepareRequests()
      return { [perRequest]: await cpuPerRequest(running, () => sendAll(running.url, requests)) }
    },
  }
}

async function countFailures(h2spec: string, { name, port }: Running): Promise<number> {
  const args = ['-h', '127.0.0.1', '-p', String(port), '-t', '-k', '-o', '2']
  const options = { timeout: 120_000 }
  const { stdout } = await promisify(execFile)(h2spec, args, options).catch((error) => error) // it exits with 1 after a failure
  return readH2spec(name, stdout ?? '')
}

function bearer(token: string): Headers {
  return { Authorization: `Bearer ${token}` }
}
