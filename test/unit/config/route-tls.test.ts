import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'
import { linesOf, load, minimal, writeFiles } from './fixture.ts'

const authority = createCertificateAuthority()
const [own, another] = [authority.issue('client'), authority.issue('another')]
const files = writeFiles({ ca: authority.cert, cert: own.cert, key: own.key, otherKey: another.key, text: 'content' })

const yamlWith = (tls: string, upstream = 'https://a') =>
  `${minimal}proxy:\n  enabled: true\n  routes:\n    - upstreams: ["${upstream}"]\n      tls: ${tls}\n`

test('the tls map of a route accepts every key, and keys that are not set are null', () => {
  const unset = { ca_cert: null, client_cert: null, client_key: null, server_name: null, insecure_skip_verify: null }
  const tlsOf = (tls: string) => load(yamlWith(tls)).config.proxy.routes[0]?.tls
  assert.deepEqual(tlsOf(''), unset)
  assert.deepEqual(tlsOf('{ server_name: es.internal, insecure_skip_verify: false, ca_cert: }'), {
    ...unset,
    server_name: 'es.internal',
    insecure_skip_verify: false,
  })
  const { directory: _, text: __, otherKey: ___, ...valid } = files
  const tls = `{ ca_cert: ${valid.ca}, client_cert: ${valid.cert}, client_key: ${valid.key} }`
  assert.deepEqual(tlsOf(tls), { ...unset, ca_cert: valid.ca, client_cert: valid.cert, client_key: valid.key })
})

const invalidMaps: [condition: string, yaml: string, expected: RegExp][] = [
  ['an unknown key', yamlWith('{ ca_crt: x }'), /^7 proxy\.routes\[0\]\.tls\.ca_crt .*did you mean `ca_cert`/],
  ['a value that is not a map', yamlWith('true'), /^7 proxy\.routes\[0\]\.tls has a boolean where a map is expected/],
  [
    'a file that does not exist',
    yamlWith('{ ca_cert: /does/not/exist }'),
    /routes\[0\]\.tls\.ca_cert .*does not exist/,
  ],
  [
    'a CA file without a certificate',
    yamlWith(`{ ca_cert: ${files.text} }`),
    /routes\[0\]\.tls\.ca_cert .*no certificate/,
  ],
  ['a key without its certificate', yamlWith(`{ client_key: ${files.key} }`), /tls\.client_cert is not set/],
  [
    'a key of another certificate',
    yamlWith(`{ client_cert: ${files.cert}, client_key: ${files.otherKey} }`),
    /routes\[0\]\.tls\.client_key does not belong to proxy\.routes\[0\]\.tls\.client_cert/,
  ],
  [
    'an address as server_name',
    yamlWith('{ server_name: 127.0.0.1 }'),
    /tls\.server_name "127\.0\.0\.1" is not a host name/,
  ],
  [
    'text for a boolean',
    yamlWith('{ insecure_skip_verify: "yes" }'),
    /insecure_skip_verify "yes" is not true or false/,
  ],
  [
    'TLS settings without an https upstream',
    yamlWith('{ server_name: a }', 'http://a'),
    /routes\[0\] has tls, but no upstream .* https/,
  ],
]
for (const [condition, yaml, expected] of invalidMaps) {
  test(`the tls map of a route rejects ${condition}`, () => {
    const [line, ...others] = linesOf(() => load(yaml))
    assert.match(line ?? '', expected)
    assert.deepEqual(others, [])
    assert.doesNotMatch(line ?? '', /content/)
  })
}
