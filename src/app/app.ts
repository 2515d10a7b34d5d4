import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../config/schema.ts'
import { createCredentialCache } from '../auth/credentials/credential-cache.ts'
import { createCredentials } from '../auth/credentials/credentials.ts'
import { readEndOfAccess } from '../auth/credentials/managed-user.ts'
import type { CredentialEvent } from '../auth/credentials/options.ts'
import { createKeyring } from '../auth/credentials/password.ts'
import { createPasswordWriter } from '../auth/credentials/password-writer.ts'
import { createPeers } from '../auth/trust/peers.ts'
import { createCall } from '../es/call.ts'
import { createElasticsearch } from '../es/client.ts'
import { createPasswordHashing } from '../es/password-hashing.ts'
import { createFindMissingRoles, createPrivilegeCheck, createServiceAccountChecks } from '../es/service-account.ts'
import type { createActivateProfile } from '../es/user-profile.ts'
import { createDryRunUsers, createUsers } from '../es/users.ts'
import { createConnectionReporter } from '../observability/connection-events.ts'
import { createCredentialReporter, createReportHashRejection } from '../observability/credential-events.ts'
import type { Logger } from '../observability/log.ts'
import type { Feature } from '../observability/metrics/definitions.ts'
import type { Metrics } from '../observability/metrics/metrics.ts'
import { createRecentErrors } from '../observability/recent-errors.ts'
import { createRequestLog, type LogRequest } from '../observability/request-log.ts'
import { watchElasticsearch } from '../observability/startup-check.ts'
import { computeConnectionBudget } from '../server/connection-budget.ts'
import { createServer } from '../server/server.ts'
import type { Audit, AuditDeps } from './audit.ts'
import { createReloadableHandlers, type Services } from './handlers.ts'
import { tuneHeap } from './heap-tuning.ts'
import { startIdleSweep } from './idle-sweep.ts'
import type { createProfileActivation } from './kibana-profiles.ts'
import { appOptions, logOptions } from './options/app.ts'
import { auditOptions } from './options/audit.ts'
import { clientCredentialsOptions } from './options/client-credentials.ts'
import { credentialsOptions } from './options/credentials.ts'
import { elasticsearchOptions } from './options/elasticsearch.ts'
import { configuredRoles } from './options/handlers.ts'
import { loginOptions } from './options/login.ts'
import { oidcOptions } from './options/oidc.ts'
import { routingOptions } from './options/proxy.ts'
import { replicasOptions } from './options/redis.ts'
import { retentionOptions } from './options/retention.ts'
import { serverOptions, tlsOptions } from './options/server.ts'
import { usersOptions } from './options/users.ts'
import { createReload, type ReloadResult } from './reload.ts'
import { createReplicas } from './replicas.ts'
import { createRoleChangeLog } from './role-changes.ts'
import type { Tracing } from './tracing.ts'
import { version } from './version.ts'

export type App = Readonly<{
  /** @returns the addresses elastauth listens on, as log lines show them. Rejects if one of them is unavailable. */
  listen: () => Promise<string[]>
  /**
   * Applies the reloadable keys (see options/reload-plan.ts) and reads all certificates again: those of the listeners
   * and those for Elasticsearch, Redis, upstreams and the provider. Throws on any error, and then changes nothing.
   * @returns the changed keys that take effect only after a restart
   */
  reload: (config: Config) => ReloadResult
  /** Counts a reload, which may fail before `reload` is called. Undefined if metrics are disabled. */
  countReload: ((result: 'success' | 'failure') => void) | undefined
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

/**
 * The composition root: creates every long-lived part once and passes it to the parts that need it.
 * @param lostLogLines how many lines of the log were lost, for the metrics
 */
export async function createApp(config: Config, log: Logger, lostLogLines?: () => number): Promise<App> {
  const {
    isDryRun,
    activatesProfiles,
    metricsFeatures,
    hasTraces,
    maxConnections,
    hasDefaultMaxConnections,
    shutdownTimeoutMs,
    clientNames,
  } = appOptions(config)
  const { secretKeys, rules, maxCachedUsers, revalidateAfterMs, passwordHashing } = credentialsOptions(config)
  const metrics = metricsFeatures && (await loadMetrics(metricsFeatures))
  const elasticsearch = createElasticsearch(elasticsearchOptions(config))
  const { client } = elasticsearch
  const tracing = hasTraces ? (await import('./tracing.ts')).startTracing(log) : undefined
  const audit = await loadAudit(config, { log, metrics, traceOf: tracing?.traceOf })
  const untracedCall = createCall({
    monotonicNow,
    countCall: metrics?.elasticsearchCalled,
  })
  const call = tracing?.elasticsearch(untracedCall) ?? untracedCall
  const hashing = createPasswordHashing(passwordHashing, createReportHashRejection(log, metrics?.credentials))
  const keys = createKeyring(secretKeys)
  const replicas = await createReplicas(replicasOptions(config), {
    keys,
    rules,
    log,
    countCall: metrics?.redisCalled,
    traceCall: tracing?.redis,
  })
  const cache = createCredentialCache(maxCachedUsers)
  metrics?.read('elastauth_cached_users', cache.size)
  if (lostLogLines) metrics?.read('elastauth_log_lines_lost_total', lostLogLines)
  const directory = isDryRun ? createDryRunUsers() : createUsers(client, call, hashing)
  const preparePassword = createPasswordWriter({ keys, sendsHash: hashing.isOn })
  const logCredential = isDryRun ? () => {} : createCredentialReporter(log, metrics?.credentials)
  const profileDeps = { get: directory.get, keys, log }
  const reportCredential = await withProfiles(activatesProfiles && !isDryRun, logCredential, profileDeps, client, call)
  const credentials = createCredentials({
    directory,
    keys,
    preparePassword,
    cache,
    states: replicas.states,
    rules,
    revalidateAfterMs,
    now: Date.now,
    monotonicNow,
    sleep: (milliseconds) => sleep(milliseconds),
    backgroundSleep: (milliseconds) => sleep(milliseconds, undefined, { ref: false }),
    report: reportCredential,
    onAccessEnded: (username) => void proxy?.checkTunnels(username),
  })
  // Each of these parts is loaded only if it is configured: importing all would double the startup time.
  const routing = routingOptions(config)
  const tunnelUsers = {
    readEnd: async (username: string) => (isDryRun ? 0 : readEndOfAccess(await directory.get(username))),
    intervalMs: revalidateAfterMs,
  }
  const proxy =
    routing &&
    (await import('./proxy.ts')).createProxyServices(routing, log, {
      tracing,
      metrics,
      observe: audit?.observe,
      tunnelUsers,
    })
  const tokenOptions = oidcOptions(config)
  const oidc = tokenOptions && (await import('./oidc.ts')).createOidc(tokenOptions, log, { tracing, metrics })
  const userSources = usersOptions(config)
  const users =
    userSources &&
    (await import('./users.ts')).createUsersService(userSources, { log, attemptStore: replicas.attempts })
  const signInOptions = loginOptions(config)
  const login =
    signInOptions &&
    (await (
      await import('./login.ts')
    ).createLoginServices(signInOptions, {
      sessionStore: replicas.sessions,
      tokens: oidc,
      users,
      log,
      metrics,
      onSessionRevoked: (username) => credentials.noteChange(username, ''),
    }))
  const clientCredentials = clientCredentialsOptions(config)
  const elasticsearchProvider =
    clientCredentials &&
    (await (
      await import('./client-credentials.ts')
    ).createClientCredentials(clientCredentials, { client, call, log, attemptStore: replicas.attempts }))
  const retentionRules = retentionOptions(config)
  const retention =
    retentionRules &&
    (await import('./retention.ts')).createUserRetention(
      retentionRules,
      {
        directory,
        keys,
        preparePassword,
        states: replicas.states,
        rules,
        forget: cache.delete,
        report: reportCredential,
      },
      client,
      call,
    )
  const peers = createPeers(clientNames)
  const services: Services = {
    obtain: credentials.obtain,
    reissue: credentials.reissue,
    reissueInBackground: credentials.reissueInBackground,
    deny: credentials.deny,
    oidc,
    login,
    elasticsearchProvider,
    users,
    proxy,
    tracing,
    requireAudit: audit?.requireAudit,
    peerOf: peers.peerOf,
    metrics,
    recentErrors: createRecentErrors(Date.now),
    log,
    checks: {
      ...(isDryRun ? {} : createServiceAccountChecks(client, call)),
      redis: replicas.checkRedis,
      provider: oidc?.checkProvider,
      ...proxy?.routing.checks,
      ...audit?.checks,
    },
  }

  const handlers = createReloadableHandlers(config, services)
  const requestLog = createRequestLog(log, logOptions(config), tracing?.traceOf)
  const connections = createConnectionReporter(log)
  const server = await createServer({
    ...serverOptions(config),
    handlers: handlers.current,
    logRequest: recordRequests(requestLog.logRequest, tracing, audit),
    logFault: connections.rejected,
    logTlsFailure: connections.tlsFailed,
    metrics: metrics?.requests,
    connectionLimits: {
      maxConnections,
      maxWeight: computeConnectionBudget({ maxConnections, isDefault: hasDefaultMaxConnections, log }),
      clients: {
        isExempt: handlers.isTrustedAddress,
        onExceeded: connections.limited,
      },
      onFull: connections.full,
    },
    onUnixConnection: peers.trackUnixSocket,
    isUpgrade: proxy?.isUpgrade,
  })
  const stopped = new AbortController()
  const findMissingRoles = createFindMissingRoles(client, call)
  const startupChecks = {
    checkPrivilege: createPrivilegeCheck(client, call),
    findMissingRoles: () => findMissingRoles(configuredRoles(config)),
  }

  function noteChange(username: string, stateId: string): void {
    credentials.noteChange(username, stateId)
    void proxy?.checkTunnels(username)
  }

  return Object.freeze({
    async listen() {
      await replicas.join({ ...credentials, noteChange }, login)
      const addresses = await server.listen()
      proxy?.routing.startHealthChecks()
      oidc?.preload().catch(() => {}) // preload logs its own failure, and requests try again
      users?.watch(stopped.signal)
      tuneHeap({ cachedUsers: cache.size, connections: server.countConnections }, stopped.signal)
      if (!isDryRun) {
        void watchElasticsearch(startupChecks, log, stopped.signal)
        const lease = replicas.sweepLease
        startIdleSweep(
          { directory, keys, preparePassword, rules, lease, retention, log, metrics: metrics?.credentials },
          stopped.signal,
        )
      }
      return addresses
    },
    reload: createReload(config, [
      handlers.prepareReload,
      (next) => requestLog.prepareReload(logOptions(next)),
      (next) => server.prepareRenewal(tlsOptions(next)),
      (next) => elasticsearch.prepareRenewal(elasticsearchOptions(next)),
      replicas.prepareReload,
      proxy?.prepareReload,
      oidc?.prepareReload,
      users?.prepareReload,
      isDryRun ? undefined : createRoleChangeLog(config, { page: directory.page, log }, stopped.signal),
      audit?.prepareReload,
    ]),
    countReload: metrics?.reloaded,
    async close() {
      stopped.abort()
      credentials.close()
      proxy?.tunnels.close()
      await server.close(shutdownTimeoutMs)
      await proxy?.routing.close()
      await tracing?.close()
      await audit?.close()
      void oidc?.close()
      replicas.leave()
      void elasticsearch.close() // not awaited, because it waits for background calls, which may hang
    },
  })
}

function recordRequests(logRequest: LogRequest, tracing: Tracing | undefined, audit: Audit | undefined): LogRequest {
  const traced = tracing?.log(logRequest) ?? logRequest
  return audit?.recordDenials(traced) ?? traced
}

/** The audit log is loaded only if it has a sink. */
async function loadAudit(config: Config, deps: AuditDeps): Promise<Audit | undefined> {
  const options = auditOptions(config)
  return options && (await import('./audit.ts')).startAudit(options, deps)
}

/** Loaded only if `kibana.activate_profile` is set. */
async function withProfiles(
  isOn: boolean,
  report: (event: CredentialEvent) => void,
  deps: Pick<Parameters<typeof createProfileActivation>[0], 'get' | 'keys' | 'log'>,
  ...connection: Parameters<typeof createActivateProfile>
) {
  if (!isOn) return report
  const { createProfileActivation } = await import('./kibana-profiles.ts')
  const { createActivateProfile } = await import('../es/user-profile.ts')
  const noteWrite = createProfileActivation({ ...deps, activate: createActivateProfile(...connection) })
  return (event: CredentialEvent) => {
    report(event)
    noteWrite(event)
  }
}

/** prom-client is loaded only if metrics are enabled. */
async function loadMetrics(features: ReadonlySet<Feature>): Promise<Metrics> {
  const { createMetrics } = await import('../observability/metrics/metrics.ts')
  return createMetrics({ version, features, now: Date.now })
}
