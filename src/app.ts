import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAddress } from '../config/addresses.ts'
import type { Config } from '../config/schema.ts'
import { createL1 } from './auth/cache/l1.ts'
import { createCredentials } from './auth/credentials.ts'
import { createKeyring } from './auth/password.ts'
import { createCall } from './es/call.ts'
import { createElasticsearchClient } from './es/client.ts'
import { createPing, createPrivilegeCheck } from './es/service-account.ts'
import { createDryRunUsers, createUsers } from './es/users.ts'
import { type Core, createFront } from './front.ts'
import type { Logger } from './log.ts'
import { createMetrics, noMetrics } from './metrics.ts'
import { readPem } from './pem.ts'
import { isWebSocket } from './proxy/upgrade.ts'
import { createProxyParts } from './proxy-mode.ts'
import { watchElasticsearch } from './readiness.ts'
import { createReportCredential } from './report.ts'
import { createLogRequest } from './request-log.ts'
import { isOwn } from './route.ts'
import { createServer } from './server.ts'

export type App = Readonly<{
  /** Rejects when the address cannot be had. */
  listen: () => Promise<AddressInfo>
  /** Takes over what may change while running: providers, trust, roles, the forward-auth profile. Throws and changes nothing when it cannot. */
  reload: (config: Config) => void
  /** Finishes what is under way, then frees everything. */
  close: () => Promise<void>
}>

/** The composition root: everything is made here, once, and handed to what needs it. */
export function createApp(config: Config, log: Logger): App {
  const metrics = config.enable_metrics ? createMetrics() : noMetrics
  const client = createElasticsearchClient(elasticsearchOptions(config.elasticsearch))
  const call = createCall({
    now: Date.now,
    report: metrics.elasticsearchCalled,
  })
  const isDryRun = config.elasticsearch.dry_run
  const cache = createL1(config.cache.type === 'none' ? 0 : config.cache.max_entries)
  const credentials = createCredentials({
    directory: isDryRun ? createDryRunUsers() : createUsers(client, call),
    keys: createKeyring([config.secret_key!, ...config.previous_secret_keys]),
    cache,
    rules: {
      expiration: config.cache.expiration,
      rotationPause: config.cache.rotation_pause,
      extend: config.extend_cache,
      adoptExisting: config.elasticsearch.adopt_existing_users,
    },
    revalidate: isDryRun ? Number.POSITIVE_INFINITY : config.cache.revalidate,
    now: Date.now,
    sleep: (milliseconds) => sleep(milliseconds),
    report: isDryRun ? () => {} : createReportCredential(log, metrics),
  })
  const proxy = config.proxy.enabled ? createProxyParts(config.proxy, log) : undefined
  const core: Core = {
    obtain: credentials.obtain,
    heal: credentials.heal,
    ...(proxy && { proxy }),
    metrics,
    log,
    checks: isDryRun ? {} : { elasticsearch: createPing(client, call) },
  }

  let front = createFront(config, core)
  const server = createServer({
    front: () => front,
    logRequest: createLogRequest(log, (request: IncomingMessage) => front.originalRequest(request)),
    logFault: (code, address) =>
      log.warn({ 'error.code': code, 'client.ip': address }, `a connection was refused: ${code}`),
    metrics,
    maxConnections: config.max_connections,
    ...(proxy && { requestTimeout: 0, isUpgrade: (request) => isWebSocket(request) && !isOwn(request) }),
  })
  const stopped = new AbortController()

  return Object.freeze({
    async listen() {
      const { host, port } = parseAddress(config.listen)!
      const address = await server.listen(host === '' ? undefined : host, port)
      proxy?.routing.watch()
      if (!isDryRun) void watchElasticsearch(createPrivilegeCheck(client, call), log, stopped.signal)
      return address
    },
    reload(next: Config) {
      front = createFront(next, core)
    },
    async close() {
      stopped.abort()
      proxy?.tunnels.close()
      await server.close(config.shutdown_timeout)
      await proxy?.routing.close()
      await client.close()
    },
  })
}

function elasticsearchOptions(elasticsearch: Config['elasticsearch']) {
  const { hosts, username, password, api_key, ca_cert, client_cert, client_key, insecure_skip_verify, timeout } =
    elasticsearch
  return {
    hosts,
    username: username ?? undefined,
    password: password ?? undefined,
    apiKey: api_key ?? undefined,
    ca: readPem(ca_cert),
    cert: readPem(client_cert),
    key: readPem(client_key),
    insecureSkipVerify: insecure_skip_verify,
    timeout,
  }
}
