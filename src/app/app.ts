import { setTimeout as sleep } from 'node:timers/promises'
import { providersOf } from '../../config/header-presets.ts'
import type { Config } from '../../config/schema.ts'
import { createCredentialCache } from '../auth/credentials/credential-cache.ts'
import { createCredentials } from '../auth/credentials/credentials.ts'
import { createKeyring } from '../auth/credentials/password.ts'
import { createPasswordWriter } from '../auth/credentials/password-writer.ts'
import { fixedRoles } from '../auth/roles.ts'
import { createPeers } from '../auth/trust/peers.ts'
import { createCall } from '../es/call.ts'
import { createElasticsearch } from '../es/client.ts'
import { createPasswordHashing } from '../es/password-hashing.ts'
import { createFindMissingRoles, createPing, createPrivilegeCheck } from '../es/service-account.ts'
import { createDryRunUsers, createUsers } from '../es/users.ts'
import {
  createCredentialReporter,
  createLogFault,
  createReportHashRejection,
} from '../observability/credential-events.ts'
import type { Logger } from '../observability/log.ts'
import { createMetrics, noMetrics } from '../observability/metrics.ts'
import { createLogRequest } from '../observability/request-log.ts'
import { watchElasticsearch } from '../observability/startup-check.ts'
import { computeConnectionBudget } from '../server/connection-budget.ts'
import { isEndpointRequest } from '../server/router.ts'
import { createServer } from '../server/server.ts'
import { createReloadableHandlers, type Services } from './handlers.ts'
import { tuneHeap } from './heap-tuning.ts'
import { startIdleSweep } from './idle-sweep.ts'
import { elasticsearchOptions } from './options/elasticsearch.ts'
import { lifecycleRules } from './options/lifecycle.ts'
import { listenersOf, tlsOptions } from './options/listeners.ts'
import { roleRules } from './options/roles.ts'
import { createReload } from './reload.ts'
import { createReplicas } from './replicas.ts'

export type App = Readonly<{
  /** @returns the addresses elastauth listens on, as log lines show them. Rejects if one of them is unavailable. */
  listen: () => Promise<string[]>
  /**
   * Applies the reloadable keys (see options/reload-plan.ts) and reads all certificates again: those of the listeners
   * and those for Elasticsearch, Redis, upstreams and the provider. Throws on any error, and then changes nothing.
   * @returns the changed keys that take effect only after a restart
   */
  reload: (config: Config) => readonly string[]
  /**
   * Graceful shutdown: drains open requests for at most `shutdown_timeout`. Hanging calls to Elasticsearch may last
   * longer.
   */
  close: () => Promise<void>
}>

/**
 * The clock for intervals. The wall clock may be set back, so it is used only for the expiry of passwords, tokens and
 * sessions.
 */
const monotonicNow = () => performance.now()

/** The composition root: creates every long-lived part once and passes it to the parts that need it. */
export async function createApp(config: Config, log: Logger): Promise<App> {
  const metrics = config.enable_metrics ? createMetrics() : noMetrics
  const elasticsearch = createElasticsearch(elasticsearchOptions(config))
  const { client } = elasticsearch
  const call = createCall({
    monotonicNow,
    report: metrics.elasticsearchCalled,
  })
  const isDryRun = config.elasticsearch.dry_run
  const hashing = createPasswordHashing(
    isDryRun ? 'server' : config.elasticsearch.password_hashing,
    createReportHashRejection(log, metrics),
  )
  const keys = createKeyring([config.secret_key!, ...config.previous_secret_keys])
  const rules = lifecycleRules(config)
  const replicas = await createReplicas(config, { keys, rules, log, count: metrics.redisCalled })
  const cache = createCredentialCache(config.cache.type === 'none' ? 0 : config.cache.max_entries)
  const directory = isDryRun ? createDryRunUsers() : createUsers(client, call, hashing)
  const preparePassword = createPasswordWriter({ keys, sendsHash: hashing.isOn })
  const credentials = createCredentials({
    directory,
    keys,
    preparePassword,
    cache,
    states: replicas.states,
    rules,
    revalidateAfterMs: isDryRun ? Number.POSITIVE_INFINITY : config.cache.revalidate,
    now: Date.now,
    monotonicNow,
    sleep: (milliseconds) => sleep(milliseconds),
    backgroundSleep: (milliseconds) => sleep(milliseconds, undefined, { ref: false }),
    report: isDryRun ? () => {} : createCredentialReporter(log, metrics),
  })
  // Proxy mode and OpenID Connect are loaded only if configured, because importing both would double the startup time.
  const proxy = config.proxy.enabled ? (await import('./proxy.ts')).createProxyServices(config, log) : undefined
  const oidc = providersOf(config).includes('oidc')
    ? await (await import('./oidc.ts')).createOidc(config, {
        sessionStore: replicas.sessions,
        log,
        onSessionRevoked: (username) => credentials.noteChange(username, ''),
      })
    : undefined
  const peers = createPeers(config.tls.client_names)
  const services: Services = {
    obtain: credentials.obtain,
    reissue: credentials.reissue,
    deny: credentials.deny,
    ...(oidc && { oidc }),
    ...(proxy && { proxy }),
    peerOf: peers.peerOf,
    metrics,
    log,
    checks: {
      ...(!isDryRun && { elasticsearch: createPing(client, call) }),
      ...replicas.checks,
      ...(oidc && { provider: oidc.checkProvider }),
    },
  }

  const handlers = createReloadableHandlers(config, services)
  const server = createServer({
    listeners: listenersOf(config),
    tls: tlsOptions(config),
    unixSocketMode: Number.parseInt(config.listen_mode, 8),
    handlers: handlers.current,
    logRequest: createLogRequest(log),
    logFault: createLogFault(log),
    logTlsFailure: (reason, address) => log.info({ 'client.ip': address }, `a TLS connection failed: ${reason}`),
    metrics,
    connectionLimits: {
      maxConnections: config.max_connections,
      maxWeight: computeConnectionBudget(config.max_connections, log),
    },
    onUnixConnection: peers.trackUnixSocket,
    ...(proxy && {
      // In proxy mode an upload may take any time, as long as the upstream accepts data.
      requestTimeouts: { requestMs: 0, drainMs: config.proxy.timeout },
      isUpgrade: (request) => proxy.isUpgrade(request) && !isEndpointRequest(request),
    }),
  })
  const stopped = new AbortController()
  const findMissingRoles = createFindMissingRoles(client, call)
  const startupChecks = {
    checkPrivilege: createPrivilegeCheck(client, call),
    findMissingRoles: () => findMissingRoles(fixedRoles(roleRules(config))),
  }

  return Object.freeze({
    async listen() {
      await replicas.join(credentials, oidc?.login)
      const addresses = await server.listen()
      proxy?.routing.startHealthChecks()
      oidc?.preload().catch(() => {}) // preload logs its own failure, and requests try again
      tuneHeap({ cachedUsers: cache.size, connections: server.countConnections }, stopped.signal)
      if (!isDryRun) {
        void watchElasticsearch(startupChecks, log, stopped.signal)
        const lease = replicas.sweepLease
        startIdleSweep({ directory, keys, preparePassword, rules, lease, log, metrics }, stopped.signal)
      }
      return addresses
    },
    reload: createReload(config, [
      handlers.prepareReload,
      (next) => server.prepareRenewal(tlsOptions(next)),
      (next) => elasticsearch.prepareRenewal(elasticsearchOptions(next)),
      replicas.prepareReload,
      proxy?.prepareReload,
      oidc?.prepareReload,
    ]),
    async close() {
      stopped.abort()
      credentials.close()
      proxy?.tunnels.close()
      await server.close(config.shutdown_timeout)
      await proxy?.routing.close()
      void oidc?.close()
      replicas.leave()
      void elasticsearch.close() // not awaited, because it waits for background calls, which may hang
    },
  })
}
