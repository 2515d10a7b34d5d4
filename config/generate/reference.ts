import { getFormat } from '../formats/registry.ts'
import { envNameOf, keys } from '../schema.ts'
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
- SIGHUP applies changes of \`trusted_proxies\`, \`proxy_secret\`, \`proxy_secret_header\`, \`headers\`, \`default_roles\`, \`group_mappings\`,
  \`enable_group_whitelist\`, \`group_whitelist\`, \`admin_roles\`, \`users\` except \`users.login\`, \`forward_auth\` except \`forward_auth.listen\`,
  \`log_level\` and \`log\`, and reads all certificates again. All other keys need a restart: the log names those that have changed.

`

const columns = `| Key | Default | Description | Environment variable |
|---|---|---|---|
`

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

/** Builds docs/configuration.md: a table of all keys, and a table of the legacy names. */
export function buildReference(): string {
  const legacyRows = [...legacyKeys].map(([name, key]) => `| \`${name}\` | \`${key}\` |`)
  return `${head}${columns}${rowsOf([...keys.keys()])}\n## Old names\n\nThese names still work, with a warning.\n\n| Old name | Current name |\n|---|---|\n${legacyRows.join('\n')}\n`
}

/** The text of README.md with its table of the essential keys replaced. */
export function refreshReadme(readme: string): string {
  const [before = '', rest = ''] = readme.split(startMark)
  const after = rest.slice(rest.indexOf(endMark))
  return `${before}${startMark}${columns}${rowsOf(essentialKeys)}${after}`
}

function rowsOf(names: readonly string[]): string {
  const rows = names.map((key) => {
    const { doc, default: value, sensitive, format } = keys.get(key)!
    const shown = value === null ? '' : `\`${JSON.stringify(value).replaceAll('"', '')}\``
    const { jsonSchema } = getFormat(format)
    const choices = Array.isArray(jsonSchema.enum)
      ? ` One of ${jsonSchema.enum.map((word) => `\`${word}\``).join(', ')}.`
      : ''
    return `| \`${key}\`${sensitive ? ' 🔒' : ''} | ${shown} | ${doc.replaceAll('|', '\\|')}${choices} | \`${envNameOf(key)}\` |`
  })
  return `${rows.join('\n')}\n`
}
