import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runElastauth } from '../behavior/elastauth-command.ts'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { type GatewayOptions, startGateway, testKey } from '../support/gateway.ts'
import { configuration, environment, fragments, otherEnvironments, recommendedExpirations } from './specification.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))
const caFile = writeFile('ca.crt', createCertificateAuthority().cert)
const service = { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' }

function writeFile(name: string, text: string): string {
  const file = join(directory, name)
  writeFileSync(file, text, { mode: 0o600 })
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

test('elastauth starts with the config.yml of the specification, even if Authelia and Elasticsearch are not available', async () => {
  const config = writeFile('config.yml', configuration)
  const output = await startAndStop({
    flags: { config },
    env: { ELASTAUTH_SECRET_KEY: environment.ELASTAUTH_SECRET_KEY },
  })
  assert.match(output, /forward-auth responder; identities from authelia.*config\.yml/)
  assert.match(output, /secret_key is the documentation's placeholder/)
})

for (const [use, variables] of [['the whole configuration', environment] as const, ...otherEnvironments]) {
  test(`elastauth starts with the environment variables of the specification for ${use}`, async () => {
    const hasCa = 'ELASTAUTH_ELASTICSEARCH_CA_CERT' in variables
    await startAndStop({ env: { ...service, ...variables, ...(hasCa && { ELASTAUTH_ELASTICSEARCH_CA_CERT: caFile }) } })
  })
}

/** The warnings about what the specification recommends against elsewhere. */
const expectedWarnings: Readonly<Record<string, RegExp>> = {
  'an Elasticsearch user that is not created': /^warning: elasticsearch\.username is elastic, .*\n$/,
  'Elasticsearch without TLS': /^warning: http:\/\/elasticsearch:9200 \(elasticsearch\.hosts\) is not https: .*\n$/,
}

for (const [use, yaml] of fragments) {
  test(`the fragment of the specification for ${use} is a valid configuration without unexpected warnings`, async () => {
    const file = writeFile('fragment.yml', yaml)
    const account = yaml.includes('username:') ? {} : { ...service, ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastauth' }
    const env = { ELASTAUTH_SECRET_KEY: testKey, ...account }
    const { code, stderr } = await runElastauth(['config', 'check', '--config', file], env)
    assert.equal(code, 0, stderr)
    assert.match(stderr, expectedWarnings[use] ?? /^$/)
  })
}

test('the lifetimes of a password that the specification recommends are valid', async () => {
  for (const expiration of recommendedExpirations) {
    const env = { ELASTAUTH_SECRET_KEY: testKey, ...service, ELASTAUTH_CACHE_EXPIRATION: expiration }
    const file = writeFile('empty.yml', '')
    assert.equal((await runElastauth(['config', 'check', '--config', file], env)).code, 0, expiration)
  }
})
