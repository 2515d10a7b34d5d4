import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseBasic } from '../behavior/credential.ts'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch({ own: true, tls: true })
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))
const [right, wrong] = [join(directory, 'ca.crt'), join(directory, 'other-ca.crt')]

describe('TLS certificate errors, with a real Elasticsearch that speaks TLS', { skip: elasticsearch.skip }, () => {
  before(() => {
    writeFileSync(right, elasticsearch.node.caCert!)
    writeFileSync(wrong, createCertificateAuthority().cert)
  })

  async function start({ flags, env }: GatewayOptions): Promise<Gateway> {
    const { url, username, password } = elasticsearch.node
    const gateway = await startGateway({
      flags: { 'elasticsearch.hosts': url, default_roles: 'viewer', ...flags },
      env: { ELASTAUTH_ELASTICSEARCH_USERNAME: username, ELASTAUTH_ELASTICSEARCH_PASSWORD: password, ...env },
    })
    after(() => gateway.stop())
    return gateway
  }

  const ways: [what: string, options: GatewayOptions][] = [
    ['the environment variable', { env: { ELASTAUTH_ELASTICSEARCH_CA_CERT: right } }],
    ['elasticsearch.ca_cert', { flags: { 'elasticsearch.ca_cert': right } }],
    ['insecure_skip_verify', { flags: { 'elasticsearch.insecure_skip_verify': 'true' } }],
  ]
  for (const [what, options] of ways) {
    test(`users get in by ${what}`, async () => {
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
    ['another CA', { 'elasticsearch.ca_cert': wrong }],
  ]
  for (const [what, flags] of faults) {
    test(`with ${what} nobody gets in, and the log says that it is the certificate`, async () => {
      const gateway = await start({ flags })
      const response = await fetch(gateway.url, { headers: { 'Remote-User': 'testuser' } })
      assert.deepEqual([response.status, response.headers.get('authorization')], [503, null])
      assert.doesNotMatch(await response.text(), /certificate/)
      await gateway.logged(({ message = '' }) => /GET \/ 503 .*certificate/.test(message))
    })
  }
})
