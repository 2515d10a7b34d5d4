import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runElastauth } from '../behavior/elastauth-command.ts'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { type GatewayOptions, startGateway, testKey } from '../support/gateway.ts'
import { pickBlock, readCodeBlocks, readVariables } from './documentation-page.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))
const blocks = readCodeBlocks('auth-only-mode.md')
const caFile = writeFile('ca.crt', createCertificateAuthority().cert)
const service = { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' }
const placeholder = 'your-64-char-hex-key'

function writeFile(name: string, text: string): string {
  const file = join(directory, name)
  writeFileSync(file, text)
  return file
}

/** Starts elastauth with these options on a free port, checks two responses, and stops it. */
async function startAndStop(options: GatewayOptions): Promise<string> {
  const gateway = await startGateway(options)
  assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
  assert.equal((await fetch(gateway.url)).status, 401)
  assert.equal(await gateway.stop(), 0)
  return gateway.output()
}

test("elastauth starts with the page's config.yml, even if Authelia and Elasticsearch are not available", async () => {
  const config = writeFile('config.yml', pickBlock(blocks, 'elastauth Configuration'))
  const output = await startAndStop({ flags: { config }, env: { ELASTAUTH_SECRET_KEY: placeholder } })
  assert.match(output, /forward-auth responder; identities from authelia.*config\.yml/)
  assert.match(output, /secret_key is the documentation's placeholder/)
})

const environments = blocks
  .map((block) => ({ ...block, variables: readVariables(block) }))
  .filter(({ variables }) => Object.keys(variables).length > 0)

test('the page has the blocks of environment variables that these tests use', () => {
  const headings = environments.map(({ heading }) => heading)
  const expected = ['Environment Variables', 'Docker Compose Example', 'Issue: TLS certificate errors']
  assert.deepEqual(headings, [...expected, 'Horizontal Scaling', 'Secret Key Management'])
})

const replacements: Record<string, string> = {
  '${ELASTAUTH_SECRET_KEY}': testKey,
  '${ELASTICSEARCH_PASSWORD}': 'changeme',
  '/certs/ca.crt': caFile,
}

for (const [i, { heading, variables }] of environments.entries()) {
  test(`elastauth starts with the variables under ${heading} (${i})`, async () => {
    const replaced = Object.entries(variables).map(([name, value]) => [name, replacements[value] ?? value])
    const env: Record<string, string> = { ...service, ...Object.fromEntries(replaced) }
    await startAndStop({ env })
  })
}

const fragments = blocks.filter(({ language, text }) => language === 'yaml' && /^(elasticsearch|cache):\n/.test(text))

test('the page has the fragments of configuration that these tests use', () => {
  assert.deepEqual(
    fragments.map(({ text }) => text.split(':')[0]),
    ['elasticsearch', 'elasticsearch', 'cache', 'elasticsearch', 'cache'],
  )
})

for (const [i, { heading, text }] of fragments.entries()) {
  test(`the fragment under ${heading} is a valid configuration (${i})`, async () => {
    const file = writeFile(`fragment-${i}.yml`, text)
    const env = { ELASTAUTH_SECRET_KEY: testKey, ...service }
    const { code, stderr } = await runElastauth(['config', 'check', '--config', file], env)
    assert.equal(code, 0)
    assert.equal(stderr.replace(/^warning: cache.type "redis" is not part of this release.*\n/, ''), '')
  })
}
