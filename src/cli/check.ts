import { providersOf } from '../../config/header-presets.ts'
import type { Config } from '../../config/schema.ts'
import { upstreamUrls } from '../app/options/proxy.ts'
import { deadlineOf, type Result, runChecks } from '../doctor/check.ts'
import { createConnectionChecks } from '../doctor/doctor.ts'

/**
 * The command `elastauth config check --connect`: connects to every configured server with the checks of `elastauth doctor`,
 * and prints one line per kind of server. @returns the exit code
 */
export async function checkConnections(config: Config): Promise<0 | 1> {
  const { checks, close } = await createConnectionChecks(config)
  const results = await runChecks(checks, { deadlineMs: deadlineOf(config) })
  close()
  const kinds = await describeServers(config)
  return kinds
    .map(([prefix, name]) =>
      report(
        name,
        results.filter(({ id }) => id.startsWith(prefix)),
      ),
    )
    .every(Boolean)
    ? 0
    : 1
}

function report(name: string, results: readonly Result[]): boolean {
  const failures = results.filter(({ status }) => status === 'failure')
  for (const { detail, fix } of results.filter(({ status }) => status === 'warning'))
    console.error(`warning: ${withFix(detail, fix)}`)
  for (const { detail, fix } of failures) console.error(`${name}: ${withFix(detail, fix)}`)
  if (failures.length === 0) console.log(`${name}: OK`)
  return failures.length === 0
}

function withFix(detail: string, fix: string | undefined): string {
  return fix === undefined ? detail : `${detail}: ${fix}`
}

/** The servers, with the prefix of the ids of their checks. */
async function describeServers(config: Config): Promise<[prefix: string, name: string][]> {
  const { audit, elasticsearch, cache, oidc, proxy } = config
  const servers: [prefix: string, name: string][] = []
  if (!elasticsearch.dry_run) servers.push(['elasticsearch.', `Elasticsearch (${elasticsearch.hosts.join(', ')})`])
  if (cache.type === 'redis')
    servers.push(['redis', `Redis (${(await import('../doctor/redis.ts')).describeRedis(config)})`])
  if (providersOf(config).includes('oidc')) servers.push(['provider', `OpenID provider (${oidc.issuer})`])
  if (proxy.enabled) servers.push(['upstream', `Upstreams (${upstreamUrls(config).join(', ')})`])
  if (audit.path !== null || audit.elasticsearch.api_key !== null) servers.push(['audit.', 'Audit log'])
  return servers
}
