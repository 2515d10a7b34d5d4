import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'
import { linesOf, load, minimal, writeFiles } from './fixture.ts'

const authority = createCertificateAuthority()
const [own, another] = [authority.issue('client'), authority.issue('another')]
const files = writeFiles({ ca: authority.cert, cert: own.cert, key: own.key, otherKey: another.key, text: 'content' })

const yamlWith = (tls: string, upstream = 'https://a') =>
  `${minimal}proxy:\n  enabled: true\n  routes:\n    - upstreams: ["${upstream}"]\n      tls: ${tls}\n`

test('a route’s tls takes every key, and what it does not set is null', () => {
  const unset = { ca_cert: null, client_cert: null, client_key: null, server_name: null, insecure_skip_verify: null }
  const tlsOf = (tls: string) => load(yamlWith(tls)).config.proxy.routes[0]?.tls
  assert.deepEqual(tlsOf(''), unset)
  assert.deepEqual(tlsOf('{ server_name: es.internal, insecure_skip_verify: false, ca_cert: }'), {
    ...unset,
    server_name: 'es.internal',
    insecure_skip_verify: false,
  })
  const { directory: _, text: __, otherKey: ___, ...good } = files
  const tls = `{ ca_cert: ${good.ca}, client_cert: ${good.cert}, client_key: ${good.key} }`
  assert.deepEqual(tlsOf(tls), { ...unset, ca_cert: good.ca, client_cert: good.cert, client_key: good.key })
})

const rows: [what: string, yaml: string, expected: RegExp][] = [
  ['an unknown key', yamlWith('{ ca_crt: x }'), /^7 proxy\.routes\[0\]\.tls\.ca_crt .*did you mean `ca_cert`/],
  ['something other than a map', yamlWith('true'), /^7 proxy\.routes\[0\]\.tls has a boolean where a map is expected/],
  ['a file that is none', yamlWith('{ ca_cert: /does/not/exist }'), /routes\[0\]\.tls\.ca_cert .*does not exist/],
  ['a CA that is none', yamlWith(`{ ca_cert: ${files.text} }`), /routes\[0\]\.tls\.ca_cert .*no certificate/],
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
    'a word for a boolean',
    yamlWith('{ insecure_skip_verify: "yes" }'),
    /insecure_skip_verify "yes" is not true or false/,
  ],
  [
    'no upstream that is https',
    yamlWith('{ server_name: a }', 'http://a'),
    /routes\[0\] has tls, but no upstream .* https/,
  ],
]
for (const [what, yaml, expected] of rows) {
  test(`a route’s tls with ${what} is a fault`, () => {
    const [line, ...more] = linesOf(() => load(yaml))
    assert.match(line ?? '', expected)
    assert.deepEqual(more, [])
    assert.doesNotMatch(line ?? '', /content/)
  })
}
