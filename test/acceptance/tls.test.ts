import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseBasic } from '../behavior/credential.ts'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { elasticsearchFlags, type Gateway, type GatewayOptions, startGateway } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch({ own: true, tls: true })
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))
const [rightCa, otherCa] = [join(directory, 'ca.crt'), join(directory, 'other-ca.crt')]

describe('the specification of auth-only mode on TLS certificate errors, with a real Elasticsearch', {
  skip: elasticsearch.skip,
}, () => {
  before(() => {
    writeFileSync(rightCa, elasticsearch.node.caCert!)
    writeFileSync(otherCa, createCertificateAuthority().cert)
  })

  async function start({ flags, env }: GatewayOptions): Promise<Gateway> {
    const { url, username, password } = elasticsearch.node
    const gateway = await startGateway({
      flags: { ...elasticsearchFlags, 'elasticsearch.hosts': url, default_roles: 'viewer', ...flags },
      env: { ELASTAUTH_ELASTICSEARCH_USERNAME: username, ELASTAUTH_ELASTICSEARCH_PASSWORD: password, ...env },
    })
    after(() => gateway.stop())
    return gateway
  }

  const settings: [what: string, options: GatewayOptions][] = [
    ['the environment variable', { env: { ELASTAUTH_ELASTICSEARCH_CA_CERT: rightCa } }],
    ['elasticsearch.ca_cert', { flags: { 'elasticsearch.ca_cert': rightCa } }],
    ['insecure_skip_verify', { flags: { 'elasticsearch.insecure_skip_verify': 'true' } }],
  ]
  for (const [what, options] of settings) {
    test(`a user gets a valid credential with ${what}`, async () => {
      const { url } = await start(options)
      const response = await fetch(url, { headers: { 'Remote-User': 'testuser' } })
      assert.equal(response.status, 200)
      const as = parseBasic(response.headers.get('authorization'))
      assert.equal(
        (await callElasticsearch(elasticsearch.node, '/_security/_authenticate', { as })).body.username,
        'testuser',
      )
    })
  }

  const faults: [what: string, flags: Record<string, string>][] = [
    ['no CA', {}],
    ['another CA', { 'elasticsearch.ca_cert': otherCa }],
  ]
  for (const [what, flags] of faults) {
    test(`with ${what}, a user gets 503 and the log names the certificate as the reason`, async () => {
      const gateway = await start({ flags })
      const response = await fetch(gateway.url, { headers: { 'Remote-User': 'testuser' } })
      assert.deepEqual([response.status, response.headers.get('authorization')], [503, null])
      assert.doesNotMatch(await response.text(), /certificate/)
      await gateway.logged(({ message = '' }) => /GET \/ 503 .*certificate/.test(message))
    })
  }
})
