import type { Config } from '../../../config/schema.ts'

/** What the composition root itself reads. */
export function appOptions({ elasticsearch, enable_metrics, max_connections, shutdown_timeout, tls }: Config) {
  return {
    isDryRun: elasticsearch.dry_run,
    hasMetrics: enable_metrics,
    maxConnections: max_connections,
    shutdownTimeoutMs: shutdown_timeout,
    /** The names in client certificates that are accepted. */
    clientNames: tls.client_names,
  }
}
