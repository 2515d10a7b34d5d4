import { validateValue } from '../formats/format.ts'
import { getFormat } from '../formats/registry.ts'
import { envNameOf, keys } from '../schema.ts'
import type { Entry } from './read-entries.ts'
import type { MigrationNote } from './remark.ts'

/** What follows from the settings as a whole: values that mean something else now, and what only their owner can decide. */
export function collectNotes(settings: ReadonlyMap<string, unknown>, entries: readonly Entry[]): MigrationNote[] {
  const wrote = new Set(entries.map(({ key }) => key))
  const provider = settings.get('auth_provider') ?? 'authelia'
  const rows: [applies: boolean, remark: MigrationNote][] = [
    [
      wrote.has('cache.type') && !settings.has('cache.type'),
      changed(
        'cache.type',
        'empty meant a new password for each request; passwords are derived here, and kept in memory',
      ),
    ],
    [
      settings.get('cache.type') === 'file',
      changed('cache.type', '"file" works as "memory": there is nothing to keep in files'),
    ],
    [
      settings.get('extend_cache') === true,
      changed('extend_cache', 'prolongs a password to at most 24 h of age, not for ever'),
    ],
    [
      settings.get('enable_metrics') === true,
      changed('enable_metrics', 'metrics are at /elastauth/metrics, as in version 2'),
    ],
    [
      ['headers.username', 'headers.groups', 'headers.email', 'headers.name'].some((key) => wrote.has(key)),
      decide(
        'headers',
        'the former elastauth did not read this spelling (it read headers_username and so on); it counts now',
      ),
    ],
    [
      Object.keys((settings.get('group_mappings') ?? {}) as object).some((group) => /[*{}]/.test(group)),
      decide('group_mappings', 'a * in a group’s name stands for anything now'),
    ],
    ...missingSecrets.map((key): [boolean, MigrationNote] => [
      !settings.has(key),
      decide(key, `is not in this file: set ${envNameOf(key)} or ${envNameOf(key)}_FILE, as before`),
    ]),
    [
      hasHttps(settings.get('elasticsearch.hosts')) && !settings.has('elasticsearch.ca_cert'),
      decide(
        'elasticsearch.ca_cert',
        'the former elastauth trusted the CAs of its machine; name the file of the one that vouches for Elasticsearch, unless it is a public one',
      ),
    ],
    [
      true,
      decide(
        'elasticsearch.adopt_existing_users',
        'users the former elastauth made are refused until you set it to true; read docs/migrating.md first',
      ),
    ],
    [
      provider === 'oidc' && !settings.has('oidc.login'),
      decide(
        'oidc.login',
        'the former elastauth only read tokens; people without one are sent to log in now. false for tokens only',
      ),
    ],
    [
      provider !== 'oidc' && !settings.has('trusted_proxies'),
      decide(
        'trusted_proxies',
        'the former elastauth believed everybody; here only loopback and private networks may name a user. Narrow it to your proxy',
      ),
    ],
  ]
  return [...rows.filter(([applies]) => applies).map(([, remark]) => remark), ...findProblems(settings)]
}

const missingSecrets = ['secret_key', 'elasticsearch.password']

function hasHttps(hosts: unknown): boolean {
  return Array.isArray(hosts) && hosts.some((host) => /^https:/i.test(String(host)))
}

/** Values that `config check` will refuse. What is a file is looked for where elastauth runs, not here. */
function findProblems(settings: ReadonlyMap<string, unknown>): MigrationNote[] {
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
