import { providersOf } from '../../../config/header-presets.ts'
import { isTracingEnabled } from '../../../config/rules/otel-rules.ts'
import { type Config, schema } from '../../../config/schema.ts'
import type { Feature } from '../../observability/metrics/definitions.ts'
import type { RequestLogOptions } from '../../observability/request-log.ts'
import { auditOptions } from './audit.ts'
import { hasLogin } from './login.ts'

/** Which lines are logged. A reload applies them. */
export function logOptions({ log, log_level }: Config): RequestLogOptions {
  return { level: log_level, sampleHits: log.sample_hits, excludePaths: log.exclude_paths }
}

/** What the composition root itself reads. */
export function appOptions(config: Config) {
  const { elasticsearch, enable_metrics, max_connections, shutdown_timeout, tls } = config
  return {
    isDryRun: elasticsearch.dry_run,
    activatesProfiles: config.kibana.activate_profile && !elasticsearch.dry_run,
    /** The features that have metrics; undefined if metrics are disabled. */
    metricsFeatures: enable_metrics ? metricsFeatures(config) : undefined,
    hasTraces: isTracingEnabled(config, process.env),
    maxConnections: max_connections,
    hasDefaultMaxConnections: max_connections === schema.max_connections.default,
    shutdownTimeoutMs: shutdown_timeout,
    /** The names in client certificates that are accepted. */
    clientNames: tls.client_names,
  }
}

function metricsFeatures(config: Config): ReadonlySet<Feature> {
  const isConfigured: Readonly<Record<Feature, boolean>> = {
    proxy: config.proxy.enabled,
    redis: config.cache.type === 'redis',
    oidc: providersOf(config).includes('oidc'),
    login: hasLogin(config),
    audit: auditOptions(config) !== undefined,
  }
  return new Set((Object.keys(isConfigured) as Feature[]).filter((feature) => isConfigured[feature]))
}
