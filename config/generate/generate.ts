import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { refreshChartReadme } from './chart-values.ts'
import { buildExample } from './example.ts'
import { buildJsonSchema } from './json-schema.ts'
import { buildLogFields } from './log-fields.ts'
import { buildMetrics } from './metrics.ts'
import { buildReference, refreshReadme } from './reference.ts'

const root = join(import.meta.dirname, '../..')

/** The lines of an array without nested arrays or objects: what is before it, its items, and the comma after it. */
const scalarArray = /^(.*)\[\n([^[\]{}]*)\n\s*\](,?)$/gm

/** The generated files, by their path in the repository. */
function buildFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['config/elastauth.example.yml', buildExample()],
    ['config/schema.json', writeJson(buildJsonSchema())],
    ['docs/configuration.md', buildReference()],
    ['docs/log-fields.md', buildLogFields()],
    ['docs/metrics.md', buildMetrics()],
    ['README.md', refreshReadme(read('README.md'))],
    // Helm packages only what is in the folder of the chart.
    ['deploy/helm/elastauth/files/alerts.yml', read('deploy/monitoring/alerts.yml')],
    [
      'deploy/helm/elastauth/README.md',
      refreshChartReadme(read('deploy/helm/elastauth/README.md'), read('deploy/helm/elastauth/values.yaml')),
    ],
  ])
}

/** The paths of generated files that are missing or out of date. */
export function findStaleFiles(): string[] {
  return [...buildFiles()].filter(([path, text]) => readOptional(join(root, path)) !== text).map(([path]) => path)
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const stale = findStaleFiles()
    for (const path of stale) console.error(`${path} is out of date: run \`npm run docs\``)
    process.exitCode = stale.length > 0 ? 1 : 0
  } else {
    for (const [path, text] of buildFiles()) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
  }
}

/** Formats JSON as Biome does, with an array of scalars on one line if it fits in 120 characters. */
function writeJson(value: unknown): string {
  const text = JSON.stringify(value, null, 2).replace(scalarArray, (lines, start, items, end) => {
    const line = `${start}[${joinLines(items)}]${end}`
    return line.length <= 120 ? line : lines
  })
  return `${text}\n`
}

function joinLines(text: string): string {
  const lines = text.split('\n').map((line) => line.trim())
  return lines.join(' ')
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
