import { providersOf } from '../../config/header-presets.ts'
import type { LoadedConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import type { Check } from './check.ts'
import { configurationChecks } from './configuration.ts'
import { type RunningOptions, runningChecks } from './running.ts'

/** The checks, and a function that closes what they have opened. */
export type Checks = Readonly<{ checks: readonly Check[]; close: () => void }>

/** All checks of `elastauth doctor`. None of them changes a user, takes a lock, or restarts anything. */
export async function createChecks(loaded: LoadedConfig, options: RunningOptions): Promise<Checks> {
  const { checks, close } = await createConnectionChecks(loaded.config)
  return { checks: [...configurationChecks(loaded), ...runningChecks(loaded, options), ...checks], close }
}

/** The checks of the configured servers. What a server needs is loaded only if it is configured. */
export async function createConnectionChecks(config: Config): Promise<Checks> {
  const { audit, cache, elasticsearch, proxy } = config
  const { dryRunCheck, elasticsearchChecks } = await import('./elasticsearch.ts')
  const { checks, close } = elasticsearch.dry_run
    ? { checks: [dryRunCheck], close: () => {} }
    : elasticsearchChecks(config)
  if (cache.type === 'redis') checks.push((await import('./redis.ts')).redisCheck(config))
  if (providersOf(config).includes('oidc')) checks.push((await import('./provider.ts')).providerCheck(config))
  if (proxy.enabled) checks.push(...(await import('./upstreams.ts')).upstreamChecks(config))
  if (audit.path === null && audit.elasticsearch.api_key === null) return { checks, close }
  const sinks = (await import('./audit.ts')).auditChecks(config)
  return {
    checks: [...checks, ...sinks.checks],
    close() {
      close()
      sinks.close()
    },
  }
}
