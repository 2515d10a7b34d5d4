import assert from 'node:assert/strict'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { runElastauth } from '../../behavior/elastauth-command.ts'
import { verdictTable } from '../../integration/interop/verdict-table.ts'
import { testKey } from '../../support/gateway.ts'

const folder = join(import.meta.dirname, '../../../docs/deployment')
const read = (file: string) => readFileSync(join(folder, file), 'utf8')

test('the table in docs/deployment/README.md equals the cases of the interop tests', () => {
  const [, shown] = /<!-- verdicts: [^\n]*-->\n([\s\S]*?)\n?<!-- \/verdicts -->/.exec(read('README.md'))!
  assert.equal(shown, verdictTable(), 'paste what `node test/integration/interop/verdict-table.ts` prints')
})

test('the configuration in docs/deployment/README.md is valid', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-docs-'))
  const file = join(directory, 'config.yml')
  writeFileSync(file, /^```yaml\n([\s\S]*?)^```$/m.exec(read('README.md'))![1]!)
  const env = { ELASTAUTH_SECRET_KEY: testKey, ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' }
  const { code, stderr } = await runElastauth(['config', 'check', '--config', file], env)
  rmSync(directory, { recursive: true })
  assert.deepEqual([code, stderr], [0, ''])
})

/** The configurations of proxies, without the one for Envoy's routes, which has no filters. */
const proxyConfigurations = [
  ...['caddy', 'envoy', 'haproxy', 'nginx', 'traefik'].map((name) => [
    `docs/deployment/${name}.md`,
    read(`${name}.md`),
  ]),
  ...[...read('../oidc.md').matchAll(/^```(caddyfile|nginx|haproxy|yaml)\n([\s\S]*?)^```$/gm)]
    .filter(([, , block]) => /forwardAuth|forward_auth elast|auth_request|forward-auth http/.test(block!))
    .map(([, language, block]) => [`the ${language} block of docs/oidc.md`, block!]),
  ...[
    'examples/traefik-authelia/routes.yml',
    'examples/caddy-authelia/Caddyfile',
    'deploy/helm/elastauth/templates/middlewares.yaml',
  ].map((path) => [path, read(`../../${path}`)]),
] as [name: string, text: string][]

test('docs/oidc.md has a configuration for four proxies', () => {
  assert.equal(proxyConfigurations.filter(([name]) => name.includes('oidc.md')).length, 4)
})

for (const [name, text] of proxyConfigurations) {
  test(`${name} strips the headers with which Elasticsearch lets a user act as another`, () => {
    for (const header of ['es-security-runas-user', 'es-secondary-authorization'])
      assert.ok(text.toLowerCase().includes(header), header)
  })

  test(`${name} replaces or strips the client's own X-Original-URL and X-Original-Method`, () => {
    // Envoy sends only the headers in allowed_headers.
    if (name.endsWith('envoy.md')) assert.doesNotMatch(text, /(?:exact|prefix): x-/)
    else assert.match(text, /-X-Original\*|\^x-original -m reg|X-Original-URL[^\n]*\n[^\n]*X-Original-(?:URI|Method)/)
  })
}

for (const file of globSync('*.md', { cwd: folder })) {
  test(`the YAML blocks of docs/deployment/${file} can be parsed`, () => {
    for (const [, block] of read(file).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)) assert.ok(parse(block!))
  })
}
