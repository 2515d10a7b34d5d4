import { getFormat } from '../formats/registry.ts'
import { envNameOf, keys } from '../schema.ts'
import { legacyKeys } from '../sources/legacy-keys.ts'

const head = `# Configuration

<!-- Generated from config/schema.ts by \`npm run docs\`. Do not edit. -->

A YAML file (\`--config FILE\`, or a directory of them; \`config.yml\` by default), then \`ELASTAUTH_*\` environment variables,
then flags (\`--elasticsearch.timeout 5s\`): the later wins. \`elastauth config check\` shows every fault at once.

- A **secret** (🔒) may come from a file, named by its variable with \`_FILE\` after it. It cannot be a flag.
- Lists are comma separated in the environment; maps and routes are JSON there. An empty variable is not set.
- Durations have a unit: \`500ms\`, \`30s\`, \`1h30m\`.

`

const columns = `| Key | Default | What it does | Environment |
|---|---|---|---|
`

/** What most installations set. */
const essential = [
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

const marks = ['<!-- keys: from config/schema.ts by `npm run docs` -->\n', '<!-- /keys -->']

/** docs/configuration.md: the table of all keys, and of the old ones. */
export function buildReference(): string {
  const old = [...legacyKeys].map(([name, key]) => `| \`${name}\` | \`${key}\` |`)
  return `${head}${columns}${rowsOf([...keys.keys()])}\n## Old names\n\nStill read, with a warning.\n\n| Old | Now |\n|---|---|\n${old.join('\n')}\n`
}

/** README.md with its table of the essential keys made anew. */
export function refreshReadme(readme: string): string {
  const [before = '', rest = ''] = readme.split(marks[0]!)
  const after = rest.slice(rest.indexOf(marks[1]!))
  return `${before}${marks[0]}${columns}${rowsOf(essential)}${after}`
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
