import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'
import { linesOf, load, minimal, writeFiles } from './fixture.ts'

const { ca } = writeFiles({ ca: createCertificateAuthority().cert })
const proxy = 'proxy: { enabled: true, elasticsearch_url: "http://es:9200" }\n'
const sinkFix = 'set audit.path, audit.stdout or audit.elasticsearch.api_key'
const keyFix = 'is set, but audit.elasticsearch.api_key is not: set audit.elasticsearch.api_key, or remove this key'

const cases: [condition: string, yaml: string, expected: string[]][] = [
  ['no key of the audit log', '', []],
  ['a file', 'audit: { path: /var/log/audit.log, required: true }', []],
  ['standard output', 'audit: { stdout: true, required: true }', []],
  ['an API key', 'audit: { elasticsearch: { api_key: abc }, required: true }', []],
  [
    'required, but no sink',
    'audit: { required: true }',
    [`3 audit.required is true, but there is no audit log: ${sinkFix}`],
  ],
  [
    'requests in proxy mode, but no sink',
    `${proxy}audit: { requests: true }`,
    [`4 audit.requests is true, but there is no audit log: ${sinkFix}`],
  ],
  ['requests in proxy mode', `${proxy}audit: { stdout: true, requests: true }`, []],
  [
    'requests in auth-only mode',
    'audit: { stdout: true, requests: true }',
    [
      '3 audit.requests is true, but only proxy mode sees the requests of clients: set proxy.enabled: true, or remove audit.requests',
    ],
  ],
  [
    'another cluster, but no API key for it',
    `audit:\n  elasticsearch:\n    hosts: ["https://audit:9200"]\n    ca_cert: ${ca}`,
    [`5 audit.elasticsearch.hosts ${keyFix}`, `6 audit.elasticsearch.ca_cert ${keyFix}`],
  ],
  [
    'another cluster with an API key',
    `audit: { elasticsearch: { api_key: abc, hosts: ["https://audit:9200"], ca_cert: ${ca} } }`,
    [],
  ],
  [
    'a malformed host, but no API key',
    'audit: { elasticsearch: { hosts: [audit] } }',
    ['3 audit.elasticsearch.hosts[0] "audit" is not an http or https URL: write e.g. https://elasticsearch:9200'],
  ],
]

for (const [condition, yaml, expected] of cases) {
  test(`the configuration of the audit log has ${expected.length === 0 ? 'no fault' : 'a fault'} with ${condition}`, () => {
    assert.deepEqual(
      linesOf(() => load(minimal + yaml)),
      expected,
    )
  })
}
