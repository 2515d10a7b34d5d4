import { getFormat } from '../formats/registry.ts'
import { envNameOf, keys, schema } from '../schema.ts'
import { legacyKeys } from '../sources/legacy-keys.ts'

const head = `# Configuration

<!-- Generated from config/schema.ts by \`npm run docs\`. Do not edit. -->

This page lists every configuration key of elastauth.

elastauth reads a YAML file (\`--config FILE\`, or a directory of files; default: \`config.yml\`), then the \`ELASTAUTH_*\`
environment variables, then flags (\`--elasticsearch.timeout 5s\`). Later sources override earlier ones.
\`elastauth config check\` reports all faults at once.

- A **secret** (🔒) can be read from a file: set \`ELASTAUTH_…_FILE\` to its path. It cannot be a flag.
- In the environment, lists are comma-separated, and maps and routes are JSON. An empty variable counts as not set.
- Durations have a unit: \`500ms\`, \`30s\`, \`1h30m\`.
- SIGHUP applies changes of \`trusted_proxies\`, \`proxy_secret\`, \`proxy_secret_header\`, \`headers\`, \`authelia\`, \`default_roles\`,
  \`group_mappings\`, \`enable_group_whitelist\`, \`group_whitelist\`, \`admin_roles\`, \`users\` except \`users.login\`,
  \`forward_auth\` except \`forward_auth.listen\`, \`log_level\` and \`log\`, and reads all certificates again. All other keys need a
  restart: the log names those that have changed.

`

const columns = `| Key | Default | Description | Environment variable |
|---|---|---|---|
`

/** The headings of docs/configuration.md, and the keys and sections below each. */
const groups: Readonly<Record<string, readonly string[]>> = {
  Identity: [
    ...['auth_provider', 'auth_providers', 'trusted_proxies', 'proxy_secret', 'proxy_secret_header'],
    ...['headers', 'authelia', 'static', 'users', 'elasticsearch_auth'],
  ],
  Roles: ['default_roles', 'group_mappings', 'enable_group_whitelist', 'group_whitelist', 'admin_roles'],
  Credentials: ['secret_key', 'previous_secret_keys', 'cache', 'extend_cache', 'user_retention'],
  'Elasticsearch and Kibana': ['elasticsearch', 'kibana'],
  Listeners: ['listen', 'listen_mode', 'tls', 'forward_auth', 'max_connections', 'shutdown_timeout'],
  'Proxy mode': ['proxy'],
  'Sign-in': ['oidc', 'session', 'pages'],
  'Logs, metrics and traces': ['log_level', 'log_format', 'log', 'audit', 'enable_metrics', 'metrics', 'enableOtel'],
}

/** The keys that most installations set, for the README. */
const essentialKeys = [
  'secret_key',
  'listen',
  'auth_provider',
  'trusted_proxies',
  'proxy_secret',
  'default_roles',
  'group_mappings',
  'elasticsearch.hosts',
  'elasticsearch.username',
  'elasticsearch.password',
  'elasticsearch.api_key',
  'elasticsearch.ca_cert',
  'cache.expiration',
  'log_level',
  'enable_metrics',
]

const startMark = '<!-- keys: from config/schema.ts by `npm run docs` -->\n'
const endMark = '<!-- /keys -->'

/** Builds docs/configuration.md: a table of the keys for each group, and a table of the legacy names. */
export function buildReference(): string {
  const grouped = new Set(Object.values(groups).flat())
  const missing = Object.keys(schema).filter((name) => !grouped.has(name))
  if (missing.length > 0) throw new Error(`config/generate/reference.ts: add ${missing.join(', ')} to a group`)
  const tables = Object.entries(groups).map(([title, names]) => {
    const group = names.flatMap((name) => [...keys.keys()].filter((key) => key === name || key.startsWith(`${name}.`)))
    return `## ${title}\n\n${columns}${rowsOf(group, '')}\n`
  })
  const legacyRows = [...legacyKeys].map(([name, key]) => `| \`${name}\` | \`${key}\` |`)
  return `${head}${tables.join('')}## Old names\n\nThese names still work, with a warning.\n\n| Old name | Current name |\n|---|---|\n${legacyRows.join('\n')}\n`
}

/** The text of README.md with its table of the essential keys replaced. */
export function refreshReadme(readme: string): string {
  const [before = '', rest = ''] = readme.split(startMark)
  const after = rest.slice(rest.indexOf(endMark))
  return `${before}${startMark}${columns}${rowsOf(essentialKeys, 'docs/')}${after}`
}

/** @param docs the path of docs/, relative to the page */
function rowsOf(names: readonly string[], docs: string): string {
  const rows = names.map((key) => {
    const { doc, default: value, sensitive, format } = keys.get(key)!
    const shown = value === null ? '' : `\`${JSON.stringify(value).replaceAll('"', '')}\``
    const { jsonSchema } = getFormat(format)
    const choices = Array.isArray(jsonSchema.enum)
      ? ` One of ${jsonSchema.enum.map((word) => `\`${word}\``).join(', ')}.`
      : ''
    const text = doc.replaceAll('|', '\\|').replace(/docs\/([\w-]+\.md)/g, `[docs/$1](${docs}$1)`)
    return `| \`${key}\`${sensitive ? ' 🔒' : ''} | ${shown} | ${text}${choices} | \`${envNameOf(key)}\` |`
  })
  return `${rows.join('\n')}\n`
}
