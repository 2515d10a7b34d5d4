import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { listChartValues } from '../../../config/generate/chart-values.ts'
import { headerPresets } from '../../../config/header-presets.ts'
import { keys } from '../../../config/schema.ts'
import { isSensitiveKey, legacyKeys } from '../../../config/sources/legacy-keys.ts'

const root = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(root, 'deploy/helm/elastauth', path), 'utf8')

type Schema = Readonly<{
  properties?: Readonly<Record<string, Schema>>
  additionalProperties?: unknown
  required?: readonly string[]
}>

describe('the Helm chart in deploy/helm/elastauth', () => {
  test('the chart and the image that it installs have the version of the package', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const chart = parse(read('Chart.yaml'))
    assert.deepEqual([chart.version, chart.appVersion], [version, version])
  })

  test('every value of the chart has a description, except the two secrets that every installation needs', () => {
    const values = listChartValues(read('values.yaml'))
    assert.ok(values.length > 50)
    assert.deepEqual(
      values.filter(({ description }) => description === '').map(({ key }) => key),
      ['secret.keys.secret_key', 'secret.keys.elasticsearch.password'],
    )
  })

  // Helm removes a value that is null, and a template that reads a key of it fails with an obscure message.
  test('values.schema.json has the same values as values.yaml, rejects all others, and requires maps and lists', () => {
    const schema: Schema = JSON.parse(read('values.schema.json'))
    const forDependencies = ['global', 'enabled']
    assert.deepEqual(differences(schema, parse(read('values.yaml')), ''), forDependencies)
  })

  test('the chart lists the identity headers of every provider, so that Traefik strips those of clients', () => {
    const [, listed] = /define "elastauth\.headerPresets" -\}\}\n([\s\S]*?)\{\{-/.exec(read('templates/_helpers.tpl'))!
    const presets = Object.entries(headerPresets).map(([provider, { username, groups, email, name }]) => [
      provider,
      [username, groups, email, name],
    ])
    assert.deepEqual(parse(listed!), Object.fromEntries(presets))
  })

  test('the chart lists every secret of the configuration, so that it rejects them in the ConfigMap and the environment', () => {
    const [, listed] = /define "elastauth\.secretKeys" -\}\}\n(.*)\n/.exec(read('templates/_checks.tpl'))!
    const sensitive = [...keys.keys(), ...legacyKeys.keys()].filter(isSensitiveKey)
    assert.deepEqual(listed!.split(' ').sort(), sensitive.sort())
  })
})

/** Properties that only one side has, or that should be required, where the schema names them; with `!` where it would accept any other. */
function differences(
  { properties, additionalProperties, required = [] }: Schema,
  values: unknown,
  path: string,
): string[] {
  if (properties === undefined) return []
  const names = new Set([...Object.keys(properties), ...Object.keys(values as object)])
  const found = [...names].flatMap((name) => {
    const value = (values as Record<string, unknown>)[name]
    const property = properties[name]
    const isMissing = value === undefined || property === undefined
    if (isMissing || (typeof value === 'object' && !required.includes(name))) return [`${path}${name}`]
    return differences(property, value, `${path}${name}.`)
  })
  return additionalProperties === false ? found : [...found, `${path}!`]
}
