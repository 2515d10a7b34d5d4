import { validateValue } from '../formats/format.ts'
import { getFormat } from '../formats/registry.ts'
import { envNameOf, keys } from '../schema.ts'
import type { Entry } from './read-entries.ts'

/** A note on what happened to a key, or what the administrator must decide. */
export type MigrationNote = {
  readonly kind: 'changed' | 'not needed' | 'decide'
  readonly key: string
  readonly text: string
}

/** Collects notes about values whose meaning has changed, and about decisions that the administrator must make. */
export function collectNotes(settings: ReadonlyMap<string, unknown>, entries: readonly Entry[]): MigrationNote[] {
  const originalKeys = new Set(entries.map(({ key }) => key))
  const provider = settings.get('auth_provider') ?? 'authelia'
  const candidates: [applies: boolean, note: MigrationNote][] = [
    [
      originalKeys.has('cache.type') && !settings.has('cache.type'),
      changed(
        'cache.type',
        'empty meant a new password for each request; passwords are now derived and cached in memory',
      ),
    ],
    [
      settings.get('cache.type') === 'file',
      changed('cache.type', '"file" is treated as "memory": nothing is stored in files'),
    ],
    [
      settings.get('extend_cache') === true,
      changed('extend_cache', 'extends a password up to an age of 24 h, no longer indefinitely'),
    ],
    [
      settings.get('enable_metrics') === true,
      changed(
        'enable_metrics',
        'metrics are at /elastauth/metrics, as in version 2, but only for direct requests from loopback and private addresses: set metrics.listen if Prometheus gets 403',
      ),
    ],
    [
      ['headers.username', 'headers.groups', 'headers.email', 'headers.name'].some((key) => originalKeys.has(key)),
      decide('headers', 'the Go elastauth ignored this spelling (it read headers_username etc.); it is in effect now'),
    ],
    [
      Object.keys((settings.get('group_mappings') ?? {}) as object).some((group) => /[*{}]/.test(group)),
      decide('group_mappings', 'a * in a group name now matches any text'),
    ],
    ...missingSecrets.map((key): [boolean, MigrationNote] => [
      !settings.has(key),
      decide(key, `is not in this file: set ${envNameOf(key)} or ${envNameOf(key)}_FILE, as before`),
    ]),
    [
      hasHttps(settings.get('elasticsearch.hosts')) && !settings.has('elasticsearch.ca_cert'),
      decide(
        'elasticsearch.ca_cert',
        'the Go elastauth trusted the CAs of its machine; set the CA file of Elasticsearch, unless its CA is a public one',
      ),
    ],
    [
      true,
      decide(
        'elasticsearch.adopt_existing_users',
        'users that the Go elastauth created are denied until you set it to true; elastauth then also takes over users with these names that others created',
      ),
    ],
    [
      provider === 'oidc' && !settings.has('oidc.login'),
      decide(
        'oidc.login',
        'the Go elastauth accepted only tokens; people without one are now redirected to sign in. Set it to false for tokens only',
      ),
    ],
    [
      provider !== 'oidc' && !settings.has('trusted_proxies'),
      decide(
        'trusted_proxies',
        'the Go elastauth trusted every peer; now only loopback and private networks are trusted. Restrict it to your proxy',
      ),
    ],
  ]
  return [...candidates.filter(([applies]) => applies).map(([, note]) => note), ...findInvalidValues(settings)]
}

const missingSecrets = ['secret_key', 'elasticsearch.password']

function hasHttps(hosts: unknown): boolean {
  return Array.isArray(hosts) && hosts.some((host) => /^https:/i.test(String(host)))
}

/**
 * Notes about values that `config check` will reject. File paths are not checked, because the files may exist only
 * where elastauth runs.
 */
function findInvalidValues(settings: ReadonlyMap<string, unknown>): MigrationNote[] {
  return [...settings].flatMap(([key, value]) => {
    const spec = keys.get(key)!
    if (spec.format.endsWith('_file')) return []
    return validateValue(getFormat(spec.format), value, spec).map(({ problem, fix }) =>
      decide(key, `its value ${problem}: ${fix}`),
    )
  })
}

function changed(key: string, text: string): MigrationNote {
  return { kind: 'changed', key, text }
}

function decide(key: string, text: string): MigrationNote {
  return { kind: 'decide', key, text }
}
