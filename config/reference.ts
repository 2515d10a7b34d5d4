import { formatNamed } from './formats.ts'
import { legacyKeys } from './legacy.ts'
import { envNameOf, keys } from './schema.ts'

const head = `# Configuration

<!-- Generated from config/schema.ts by \`npm run docs\`. Do not edit. -->

A YAML file (\`--config FILE\`, or a directory of them; \`config.yml\` by default), then \`ELASTAUTH_*\` environment variables,
then flags (\`--elasticsearch.timeout 5s\`): the later wins. \`elastauth config check\` shows every fault at once.

- A **secret** (🔒) may come from a file, named by its variable with \`_FILE\` after it. It cannot be a flag.
- Lists are comma separated in the environment; maps and routes are JSON there. An empty variable is not set.
- Durations have a unit: \`500ms\`, \`30s\`, \`1h30m\`.

| Key | Default | What it does | Environment |
|---|---|---|---|`

/** docs/configuration.md: the table of all keys, and of the old ones. */
export function buildReference(): string {
  const rows = [...keys].map(([key, { doc, default: value, sensitive, format }]) => {
    const shown = value === null ? '' : `\`${JSON.stringify(value).replaceAll('"', '')}\``
    const { json } = formatNamed(format)
    const choices = Array.isArray(json.enum) ? ` One of ${json.enum.map((word) => `\`${word}\``).join(', ')}.` : ''
    return `| \`${key}\`${sensitive ? ' 🔒' : ''} | ${shown} | ${doc.replaceAll('|', '\\|')}${choices} | \`${envNameOf(key)}\` |`
  })
  const old = [...legacyKeys].map(([name, key]) => `| \`${name}\` | \`${key}\` |`)
  return `${[head, ...rows].join('\n')}\n\n## Old names\n\nStill read, with a warning.\n\n| Old | Now |\n|---|---|\n${old.join('\n')}\n`
}
