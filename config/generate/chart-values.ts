import { isMap, parseDocument, type Scalar, type YAMLMap } from 'yaml'

const columns = '| Value | Default | Description |\n|---|---|---|\n'
const startMark = '<!-- values: from values.yaml by `npm run docs` -->\n'
const endMark = '<!-- /values -->'

export type ChartValue = Readonly<{ key: string; default: string; description: string }>

/** Returns the README of the Helm chart with a new table of values. */
export function refreshChartReadme(readme: string, values: string): string {
  const [before = '', rest = ''] = readme.split(startMark)
  const rows = listChartValues(values).map(({ key, default: value, description }) => {
    const shown = value === '' ? '' : `\`${value}\``
    return `| \`${key}\` | ${shown} | ${description.replaceAll('|', '\\|')} |\n`
  })
  return `${before}${startMark}${columns}${rows.join('')}${rest.slice(rest.indexOf(endMark))}`
}

/** The values of a chart in order, with the comments above them. A map without comments inside is one value. */
export function listChartValues(text: string): readonly ChartValue[] {
  return listMap(parseDocument(text).contents as YAMLMap<Scalar, unknown>, '')
}

function listMap(map: YAMLMap<Scalar, unknown>, prefix: string): ChartValue[] {
  return map.items.flatMap(({ key, value }, index) => {
    const path = `${prefix}${key.value}`
    const comment = key.commentBefore ?? (index === 0 && prefix !== '' ? map.commentBefore : undefined) ?? ''
    // A comment above an empty line is about the file.
    const description = comment
      .split('\n\n')
      .at(-1)!
      .replace(/\s*\n\s*/g, ' ')
      .trim()
    if (!isMap<Scalar, unknown>(value) || !hasComments(value))
      return [{ key: path, default: showDefault(value), description }]
    const own = description === '' ? [] : [{ key: path, default: '', description }]
    return [...own, ...listMap(value, `${path}.`)]
  })
}

function hasComments(map: YAMLMap<Scalar, unknown>): boolean {
  return map.commentBefore != null || map.items.some(({ key }) => key.commentBefore != null)
}

/** As flow YAML on one line; empty for an empty text. */
function showDefault(value: unknown): string {
  const plain: unknown = (value as YAMLMap).toJSON()
  return plain === '' ? '' : JSON.stringify(plain).replaceAll('"', '')
}
