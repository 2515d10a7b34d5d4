import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { keys, sections } from '../../../config/schema.ts'
import { legacyKeys } from '../../../config/sources/legacy-keys.ts'
import { type CodeBlock, exampleFiles, pages } from '../../support/documentation.ts'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'
import { testKey } from '../../support/gateway.ts'
import { faultsOf, load, writeFiles } from '../config/fixture.ts'

const root = join(import.meta.dirname, '../../..')
const blocks = pages.flatMap(({ path, blocks }) => blocks.map((block) => ({ path, ...block })))
const ofLanguage = (...languages: string[]) => blocks.filter(({ language }) => languages.includes(language))

describe('the code blocks of the pages', () => {
  test('every YAML block of a page is a configuration that elastauth accepts, or a file of a known other program', () => {
    assert.deepEqual(
      ofLanguage('yaml').flatMap((block) => yamlFaults(block).map((fault) => `${block.path}:${block.line}: ${fault}`)),
      [],
    )
  })

  test('every setting that a page shows as code, such as `extend_cache: true`, is accepted', () => {
    const faults = pages.flatMap(({ path, inlineCode }) =>
      inlineCode.flatMap((code) => {
        const [, key, value] = /^([a-z][\w.]*): (\S.*)$/.exec(code) ?? []
        if (key === undefined || !keys.has(key) || value!.includes('…')) return []
        return configurationFaults(nest(key, value!)).map((fault) => `${path}: ${code}: ${fault}`)
      }),
    )
    assert.deepEqual(faults, [])
  })

  test('every configuration of elastauth among the examples contains only keys and values that it accepts', () => {
    const configurations = exampleFiles.filter(
      ({ path, text }) => path.endsWith('.yml') && 'elasticsearch' in ((parse(text) as object | null) ?? {}),
    )
    assert.ok(configurations.length >= 3)
    assert.deepEqual(
      configurations.flatMap(({ path, text }) => configurationFaults(text).map((fault) => `${path}: ${fault}`)),
      [],
    )
  })

  test('every JSON block of a page can be parsed', () => {
    for (const { path, line, text } of ofLanguage('json'))
      assert.doesNotThrow(() => JSON.parse(text) as unknown, `${path}:${line}`)
  })

  test('every shell block of a page is accepted by bash', () => {
    const faults = ofLanguage('bash', 'sh', 'shell').flatMap(({ path, line, text }) => {
      const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' })
      return status === 0 ? [] : [`${path}:${line}: ${stderr}`]
    })
    assert.deepEqual(faults, [])
  })

  test('every block of a page names a language that this test, or another test of the page, knows', () => {
    const known = ['bash', 'caddyfile', 'haproxy', 'ini', 'json', 'log', 'nginx', 'text', 'yaml']
    assert.deepEqual(
      blocks.filter(({ language }) => !known.includes(language)).map(({ path, line }) => `${path}:${line}`),
      [],
    )
  })

  // What docs/troubleshooting.md quotes is compared with what elastauth logs, in test/behavior/troubleshooting.test.ts.
  test('every fixed part of a log line that a page quotes is in the source', () => {
    const source = readSource()
    const quoted = ofLanguage('log').filter(({ path }) => path !== 'docs/troubleshooting.md')
    const missing = quoted.flatMap(({ path, text }) =>
      text
        .trimEnd()
        .split('\n')
        .flatMap((line) => line.replace(/^\S+ +/, '').split('…'))
        .map((part) => part.trim())
        .filter((part) => !source.includes(part))
        .map((part) => `${path}: ${part}`),
    )
    assert.deepEqual(missing, [])
  })
})

const { cert, key } = createCertificateAuthority().issue('elastauth')
const files = writeFiles({ 'tls.crt': cert, 'tls.key': key })

const ownKeys = new Set([...keys.keys(), ...sections, ...legacyKeys.keys()].map((key) => key.split('.')[0]!))

/** Keys at the top of the YAML files of other programs that the pages show. */
const otherKeys: ReadonlySet<string> = new Set([
  ...['exporters', 'output.elasticsearch', 'outputs', 'setup.ilm.check_exists', 'setup.template.enabled'], // Beats, Elastic Agent, OpenTelemetry
  ...['access_control', 'connectors', 'identity_providers', 'issuer', 'jwt_claims_headers', 'staticClients'], // Authelia, Dex, Pomerium
  ...['services', 'networks', 'volumes'], // Compose
  ...['http_filters', 'routes', 'static_resources', 'typed_per_filter_config'], // Envoy
  ...['apiVersion', 'images', 'kind', 'metadata', 'namespace', 'resources', 'spec'], // Kubernetes
  ...['certificates', 'config', 'image', 'ingress', 'networkPolicy', 'secret', 'traefik'], // values of the Helm chart
  ...['groups', 'rule_files', 'scrape_configs'], // Prometheus
  ...['entryPoints', 'http', 'providers', 'tls'], // Traefik
])

/** A block with one of elastauth's keys has to be a configuration; a list is one of routes. */
function yamlFaults({ text }: CodeBlock): string[] {
  const content: unknown = parse(text)
  if (Array.isArray(content)) return 'upstreams' in content[0] ? configurationFaults(routesOf(content)) : []
  const names = Object.keys(content as object)
  const unknown = names.filter((name) => !ownKeys.has(name) && !otherKeys.has(name))
  if (unknown.length > 0) return [`unknown key ${unknown.join(', ')}`]
  return names.some((name) => ownKeys.has(name) && !otherKeys.has(name)) ? configurationFaults(text) : []
}

/**
 * The faults of a part of a configuration. Keys that it would also need are not faults, because they may be on the page
 * elsewhere or in the environment. Certificates and keys that exist only where it is used are replaced.
 */
function configurationFaults(text: string): string[] {
  let count = 0
  const complete = text
    .replaceAll('"…"', () => `"${String(count++).padStart(64, testKey)}"`) // a different secret for each
    .replace(/"?\/[\w./-]+\.(crt|pem|key)"?/g, (_, kind: string) =>
      kind === 'key' ? files['tls.key'] : files['tls.crt'],
    )
  return faultsOf(() => load(complete))
    .filter(({ file }) => file !== undefined)
    .map(({ key, problem, fix }) => `${key} ${problem}: ${fix}`)
}

function routesOf(routes: unknown[]): string {
  return stringify({ proxy: { enabled: true, routes } })
}

/** `cache.expiration`, `1h` → a YAML file with this setting */
function nest(key: string, value: string): string {
  const parts = key.split('.')
  return parts
    .map((part, depth) => `${'  '.repeat(depth)}${part}:${depth === parts.length - 1 ? ` ${value}` : ''}`)
    .join('\n')
}

/** The source, with strings that are split over several lines joined. */
function readSource(): string {
  return globSync('{config,src}/**/*.ts', { cwd: root })
    .map((path) => readFileSync(join(root, path), 'utf8').replace(/['`] \+\n *['`]/g, ''))
    .join('\n')
}
