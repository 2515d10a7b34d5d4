import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigError } from '../../../config/faults.ts'
import { isWeakKey } from '../../../config/formats/secret-keys.ts'
import { judgeDataStream } from '../../../src/doctor/audit.ts'
import { faultsAsResults } from '../../../src/doctor/configuration.ts'
import { checkVersion } from '../../../src/doctor/elasticsearch.ts'
import { checkClock, checkExpiry, clockLead, explainFailure } from '../../../src/doctor/probe.ts'
import { explainErrors } from '../../../src/doctor/recent-errors.ts'
import { checkEviction } from '../../../src/doctor/redis.ts'
import { compareConfig } from '../../../src/doctor/running.ts'
import { readKibanaPage } from '../../../src/doctor/upstreams.ts'

const url = new URL('https://es-1.test:9200')
const keys = { url: 'elasticsearch.hosts', ca: 'elasticsearch.ca_cert' }
const day = 24 * 3_600_000

const versions: [status: number, headers: Record<string, string>, body: string, expected: string, detail: RegExp][] = [
  [
    200,
    { 'x-elastic-product': 'Elasticsearch' },
    '{"version":{"number" : "8.14.0"}}',
    'ok',
    /is Elasticsearch 8\.14\.0/,
  ],
  [200, { 'x-elastic-product': 'Elasticsearch' }, '{"version":{"number":"9.5.3-SNAPSHOT"}}', 'ok', /9\.5\.3-SNAPSHOT/],
  [200, { 'x-elastic-product': 'Elasticsearch' }, '{"version":{"number":"8.13.4"}}', 'failure', /8\.13\.4/],
  [200, { 'x-elastic-product': 'Elasticsearch' }, '{"version":{"number":"7.17.29"}}', 'failure', /7\.17\.29/],
  [200, { 'x-elastic-product': 'Elasticsearch' }, '{"version":{"number":"10.0.0"}}', 'warning', /10\.0\.0/],
  [200, {}, '{"version":{"number":"2.19.0"},"tagline":"OpenSearch"}', 'failure', /is not Elasticsearch's/],
  [302, { 'kbn-name': 'kibana' }, '', 'failure', /is Kibana's/],
  [404, {}, '<html>', 'failure', /the response 404 of https:\/\/es-1\.test:9200 is not/],
  [401, {}, '', 'ok', /responds/],
  [403, {}, '', 'ok', /visible with the privilege monitor/],
  [503, {}, '', 'failure', /responds with 503/],
]
for (const [status, headers, body, expected, detail] of versions) {
  test(`a host that responds with ${status} ${body} ${Object.keys(headers)} is reported as ${expected}`, () => {
    const found = checkVersion(url, { status, headers, body })
    assert.equal(found.status, expected)
    assert.match(found.detail, detail)
  })
}

const failures: [code: string, message: string, url: string, detail: RegExp, fix: RegExp][] = [
  ['ENOTFOUND', 'getaddrinfo ENOTFOUND es-1', 'http://es-1', /cannot be resolved.*ENOTFOUND/, /DNS/],
  [
    'ECONNREFUSED',
    'connect ECONNREFUSED 1.1.1.1:9',
    'http://es-1',
    /ECONNREFUSED/,
    /start it, or correct elasticsearch\.hosts/,
  ],
  ['ECONNREFUSED', '', 'http://es-1', /does not respond: ECONNREFUSED/, /start it/],
  ['ECONNRESET', 'socket hang up', 'http://es-1', /hang up/, /write https:\/\/ in elasticsearch\.hosts/],
  ['EPROTO', 'wrong version number', 'https://es-1', /does not speak TLS/, /write http:\/\//],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify', 'https://es-1', /unknown issuer/, /elasticsearch\.ca_cert/],
  ['CERT_HAS_EXPIRED', 'certificate has expired', 'https://es-1', /has expired/, /renew it/],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'altnames', 'https://es-1', /another name/, /name of the certificate/],
]
for (const [code, message, address, detail, fix] of failures) {
  test(`a connection to ${address} that fails with ${code} ${message} is reported with its cause and fix`, () => {
    const found = explainFailure(new URL(address), Object.assign(new Error(message), { code }), keys)
    assert.equal(found.status, 'failure')
    assert.match(found.detail, detail)
    assert.match(found.fix!, fix)
  })
}

test('the difference of clocks is zero as long as the precision of one second may explain it', () => {
  const now = 1_700_000_000_000
  assert.equal(clockLead(now, now + 100, now + 200), 0)
  assert.equal(clockLead(now - 1000, now - 100, now + 700), 0)
  assert.equal(clockLead(now + 5000, now, now + 100), 4900)
  assert.equal(clockLead(now - 5000, now, now + 100), -4000)
  assert.equal(clockLead(Number.NaN, now, now), 0)
  assert.deepEqual(checkClock('https://a', 900, 1000), [])
  assert.match(checkClock('https://a', 4900, 1000)[0]!.detail, /5 s ahead of this/)
  assert.match(checkClock('https://a', -4000, 1000)[0]!.detail, /4 s behind this/)
})

test('a certificate is warned about from 14 days before its end', () => {
  assert.deepEqual(checkExpiry('https://a', undefined), [])
  assert.deepEqual(checkExpiry('https://a', new Date(Date.now() + 15 * day)), [])
  assert.equal(checkExpiry('https://a', new Date(Date.now() + 13 * day))[0]!.status, 'warning')
})

test('control characters in the key of a fault are escaped', () => {
  const fault = { key: 'users.\u001b[2J', problem: 'is empty', fix: 'remove it' }
  assert.equal(faultsAsResults(new ConfigError([fault]))[0]!.detail, String.raw`(not set) users.\u001b[2J is empty`)
})

test('a policy of Redis that removes sessions is warned about only if the memory is limited and there are sessions', () => {
  const memory = (maxmemory: number, policy: string) =>
    `# Memory\r\nmaxmemory:${maxmemory}\r\nmaxmemory_policy:${policy}\r\n`
  assert.equal(checkEviction(memory(1000, 'allkeys-lru'), true)[0]!.status, 'warning')
  assert.equal(checkEviction(memory(1000, 'volatile-ttl'), true)[0]!.status, 'warning')
  assert.deepEqual(checkEviction(memory(1000, 'noeviction'), true), [])
  assert.deepEqual(checkEviction(memory(0, 'allkeys-lru'), true), [])
  assert.deepEqual(checkEviction(memory(1000, 'allkeys-lru'), false), [])
  assert.deepEqual(checkEviction('', true), [])
})

test("Kibana's version and public address are read from its sign-in page, and from no other text", () => {
  const data = '{&quot;version&quot;:&quot;8.19.1&quot;,&quot;publicBaseUrl&quot;:&quot;https://kibana.test/s&quot;}'
  assert.deepEqual(readKibanaPage(`<html><kbn-injected-metadata data="${data}"></kbn-injected-metadata>`), {
    version: '8.19.1',
    publicBaseUrl: 'https://kibana.test/s',
  })
  assert.deepEqual(readKibanaPage(`<p>${data}</p>`), { version: undefined, publicBaseUrl: undefined })
  // Otherwise a page of 1 MiB that repeats the start of the tag would take minutes.
  const late = `<kbn-injected-metadata ${'x'.repeat(1000)} data="${data}">`
  assert.deepEqual(readKibanaPage(late), { version: undefined, publicBaseUrl: undefined })
})

test('the keys that differ in the running configuration are named, and their values are not', () => {
  const own = { listen: [':1'], cache: { expiration: 1, type: 'memory' }, group_mappings: { a: ['b'] } }
  assert.equal(compareConfig(structuredClone(own), own).status, 'ok')
  const found = compareConfig(
    { ...own, cache: { expiration: 2, type: 'memory' }, group_mappings: { a: ['secret'] } },
    own,
  )
  assert.equal(found.status, 'warning')
  assert.match(found.detail, /other values of cache\.expiration, group_mappings\.a$/)
})

test('recent errors are reported by the check that they belong to, and old or unknown ones by none', () => {
  const now = Date.parse('2026-11-29T12:00:00Z')
  const error = (code: string, detail: string, minutes: number) => ({
    ...{ code, detail, count: 2 },
    last: new Date(now - minutes * 60_000).toISOString(),
  })
  const errors = [
    error('peer_untrusted', 'from 10.1.2.3, which is not in trusted_proxies: add the address', 1),
    error('identity_missing', 'missing', 20),
    error('not_found', 'no such endpoint of elastauth', 1),
    error('not_found', 'sub-requests are answered on / only: point the proxy there', 1),
    error('constructor', 'none', 1),
  ]
  assert.deepEqual(explainErrors(errors, 'trust', now), [
    {
      status: 'warning',
      detail: 'peer_untrusted, 2 times: from 10.1.2.3, which is not in trusted_proxies',
      fix: 'add the address',
    },
  ])
  assert.deepEqual(explainErrors(errors, 'errors', now), [
    {
      status: 'warning',
      detail: 'not_found, 2 times: sub-requests are answered on / only',
      fix: 'point the proxy there',
    },
  ])
  assert.ok(!Array.isArray(explainErrors([], 'errors', now)))
})

test('a key with few distinct bytes is weak', () => {
  assert.ok(isWeakKey('0123456789abcdef'.repeat(4)))
  assert.ok(!isWeakKey(Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7)).toString('hex')))
})

describe('the API key of the audit log', () => {
  const none = { index: false, delete: false, delete_index: false, view_index_metadata: false }
  const documented = { ...none, create_doc: true, auto_configure: true }
  const cannotCreate = { ...documented, auto_configure: false }
  type Arguments = Parameters<typeof judgeDataStream>
  const cases: Readonly<Record<string, [privileges: Arguments[1], mode: Arguments[2], expected: RegExp]>> = {
    'that may only add documents is fine': [documented, 'invisible', /^ok: .* may add documents to logs-a$/],
    'that may see the data stream shows its mode': [documented, 'standard', /^ok: .* has the index mode standard$/],
    'that may create the data stream is fine': [documented, 'absent', /^ok: .* may create logs-a/],
    'without create_doc is a failure': [
      { ...documented, create_doc: false },
      'standard',
      /^failure: .* may not add documents/,
    ],
    'that may not create a missing data stream is a failure': [cannotCreate, 'absent', /^failure: .* does not exist/],
    'that may neither create nor see it is a warning': [
      cannotCreate,
      'invisible',
      /^warning: .* whether it exists: if it does not, records are lost/,
    ],
    'that may index is a warning': [{ ...documented, index: true }, 'standard', /^warning: .* change or delete/],
    'that may delete is a warning': [{ ...documented, delete: true }, 'standard', /^warning: .* change or delete/],
    'that may delete indices is a warning': [
      { ...documented, delete_index: true },
      'standard',
      /^warning: .* change or delete/,
    ],
    'of a stream in the mode logsdb is a warning': [documented, 'logsdb', /^warning: .* cannot be verified/],
  }
  for (const [what, [privileges, mode, expected]] of Object.entries(cases))
    test(`an API key of the audit log ${what}`, () => {
      const { status, detail } = judgeDataStream('logs-a', privileges, mode)
      assert.match(`${status}: ${detail}`, expected)
    })
})
