import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from '../../../config/formats/addresses.ts'
import { formatDuration, parseDuration } from '../../../config/formats/duration.ts'
import { validateValue } from '../../../config/formats/format.ts'
import { type FormatName, formats, getFormat } from '../../../config/formats/registry.ts'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'
import fc from '../../support/property.ts'
import { key, writeFiles } from './fixture.ts'

const { cert, key: pemKey } = createCertificateAuthority().issue('client')
const { certificate, privateKey } = writeFiles({ certificate: cert, privateKey: pemKey })

const cases: { format: FormatName; valid: unknown[]; invalid: unknown[] }[] = [
  {
    format: 'boolean',
    valid: [true, false, 'true', 'FALSE'],
    invalid: ['yes', '1', '', 1, null, 'constructor', { toString: false }],
  },
  { format: 'integer', valid: [0, 7, '12'], invalid: [-1, 1.5, '1e3', '0x1', ' 1', '', '-3', Number.NaN] },
  {
    format: 'duration',
    valid: ['500ms', '30s', '5m', '1h', '24h', '1h30m', '1.5h'],
    invalid: ['1', '1 hour', '', 's', '-1s', '1d', 'h1', '1s ', '1S'],
  },
  {
    format: 'secret_key',
    valid: [key, key.toUpperCase(), 'your-64-char-hex-key', 'your-generated-key'],
    invalid: ['changeme', key.slice(1), `${key}0`, '0'.repeat(64), 'F'.repeat(64), `${key}\n`, 'your-key', 5],
  },
  {
    format: 'secret_key_list',
    valid: [[], [key], `${key},${key}`, `${key}\n`],
    invalid: [['your-64-char-hex-key'], [5], {}],
  },
  {
    format: 'shared_secret',
    valid: ['0123456789abcdef'],
    invalid: ['short', 'with a blank inside', 'ümlaute-are-not-headers'],
  },
  {
    format: 'listen_list',
    valid: [
      ...['127.0.0.1:5000', '[::1]:5000', ':5000', 'localhost:0', '0.0.0.0:65535', 'http://a:1', 'https://:443'],
      ...[
        'unix:/run/a.sock',
        'http://unix:/run/a.sock',
        'https://unix:/run/a b.sock',
        ':1, unix:/a',
        [':1', 'https://:2'],
      ],
    ],
    invalid: [
      ...['5000', '127.0.0.1', '::1:5000', '1.2.3.4:65536', '1.2.3.256:80', '[g]:1', 'a b:1', 'h:-1', '', [], [5000]],
      ...[
        'ftp://a:1',
        'http://a',
        'http://a:1/',
        'unix:a.sock',
        'unix:',
        'unix:/a/',
        'unix:/a\0',
        `unix:/${'a'.repeat(98)}`,
      ],
      ...['unix://run/a.sock:1/', 'http://https://a:1', [':1', 'x']],
    ],
  },
  {
    format: 'file_mode',
    valid: ['0660', '600', '777'],
    invalid: [660, 0o660, '0o660', '66', '0668', '01777', 'rw-rw----'],
  },
  {
    format: 'host_port',
    valid: ['redis:6379', '[fd00::1]:6379'],
    invalid: [':6379', 'redis', 'redis:0', 'user:pass@redis:6379'],
  },
  {
    format: 'url',
    valid: ['http://es', 'https://[::1]:9200/path'],
    invalid: [
      'es:9200',
      'ftp://es',
      'http://',
      'http://u:p@es',
      'http://u@es',
      'http://es/?a',
      'http://es/#a',
      'http://e s',
      '//es',
    ],
  },
  {
    format: 'url_list',
    valid: [['http://a', 'https://b'], 'http://a, https://b'],
    invalid: [['http://a', 5], ['a'], 'a'],
  },
  { format: 'redis_url', valid: ['redis://r', 'rediss://u:p@r:1/2'], invalid: ['http://r', 'redis', 'redis://'] },
  {
    format: 'peer_list',
    valid: [
      ['loopback', 'private'],
      ['10.0.0.0/8', 'fd00::/8', '1.2.3.4', '::1'],
      ['none'],
      ['all'],
      'loopback, private',
      ['0.0.0.0/0'],
      ['172.20.0.5/32', '::1/128', '::/0', '::ffff:10.0.0.0/104', '2001:db8:1::/48', '10.128.0.0/9'],
    ],
    invalid: [
      ['172.20.0.5/8'],
      ['10.64.0.0/9'],
      ['2001:db8:1::1/48'],
      ['::ffff:10.0.0.1/104'],
      ['0.0.0.1/0'],
      ['none', 'private'],
      ['all', '::1'],
      ['10.0.0.0/33'],
      ['10.0.0/8'],
      ['::/129'],
      ['10.0.0.0/08'],
      ['10.0.0.0/'],
      ['1.2.3.4/8/8'],
      ['localhost'],
      ['fe80::1%eth0'],
    ],
  },
  {
    format: 'role_list',
    valid: [['kibana_user', 'a b'], 'a,b'],
    invalid: [[''], [' a'], ['ä'], ['a'.repeat(508)], [null]],
  },
  { format: 'header_name', valid: ['Remote-User', 'X_y'], invalid: ['', 'Remote User', 'a:b', 'ä', 'a\r\nb'] },
  {
    format: 'header_map',
    valid: [{ 'X-A': '1' }, '{"X-A":"1"}'],
    invalid: [{ 'X A': '1' }, { a: 1 }, { a: 'x\r\ny' }, '[]', JSON.parse('{"__proto__":"x"}')],
  },
  {
    format: 'group_mappings',
    valid: [{}, { a: ['b'] }, { a: 'b' }, '{"a":["b"]}', { 'team-*': ['{group}-reader'] }],
    invalid: [
      { a: [] },
      { a: null },
      { a: [5] },
      { a: [' b'] },
      { ' a': ['b'] },
      [],
      'a',
      'null',
      JSON.parse('{"__proto__":["b"]}'),
      '{"__proto__":["b"]}',
    ],
  },
  {
    format: 'route_list',
    valid: [
      [],
      [{ upstreams: ['http://a'] }],
      [{ host: 'k.example', path: '/', upstreams: ['http://a'], strip_path: true, auth: 'none', headers: { a: 'b' } }],
      '[{"upstreams":["http://a"]}]',
    ],
    invalid: [
      [{}],
      [5],
      [{ upstreams: [] }],
      [{ upstreams: ['a'] }],
      [{ upstreams: ['http://a'], path: 'x' }],
      [{ upstreams: ['http://a'], auth: 'maybe' }],
      [{ upstreams: ['http://a'], credential: null }],
      [{ upstreams: ['http://a'], identity_headers: 1 }],
      [{ upstreams: ['http://a'], strip_paht: true }],
      [{ upstreams: ['http://a'], headers: { a: 1 } }],
      {},
      'x',
    ],
  },
  {
    format: 'share',
    valid: [0, 1, 0.01, '0.5', '1', '.25'],
    invalid: [-0.1, 1.1, '', 'half', '1%', '1e-2', '0x1', Number.NaN, null, true],
  },
  {
    format: 'path_pattern_list',
    valid: [[], ['/'], ['/*'], ['/api/status', '/ui/*'], '/a,/b-c_d.e~%20*', ['/a..b', '/...']],
    invalid: [
      [''],
      ['ui'],
      ['*'],
      ['/a*b'],
      ['/a**'],
      ['/a?b'],
      ['/a#b'],
      ['/a b'],
      ['/a//b'],
      ['/a/../b'],
      ['/.'],
      ['/a;b'],
      ['/é'],
      [5],
      5,
    ],
  },
  { format: 'log_level', valid: ['info', 'warning'], invalid: ['loud', 'INFO', '', null] },
  {
    format: 'certificate_file',
    valid: [certificate],
    invalid: ['', '/does/not/exist', import.meta.dirname, 'a\0b', import.meta.filename, '/dev/null'],
  },
  {
    format: 'private_key_file',
    valid: [privateKey],
    invalid: ['', '/does/not/exist', import.meta.dirname, 'a\0b', certificate],
  },
  { format: 'username', valid: ['bob', 'b@x.org'], invalid: ['', 'a b', '.', '_x', 'elastic', 'a'.repeat(256), 5] },
  { format: 'email', valid: ['bob@x.org'], invalid: ['', 'bob', 'a@b@c', 'Bob <bob@x.org>'] },
  { format: 'full_name', valid: ['Bob Ä'], invalid: ['', 'a\u0085b', 'a'.repeat(501)] },
  { format: 'group_list', valid: [[], ['a', 'b c'], 'a,b'], invalid: [[''], ['a\nb'], ['a'.repeat(256)], [5]] },
  { format: 'basic_username', valid: ['elastic', 'a b'], invalid: ['', 'a:b', 'a\nb'] },
]

for (const { format, valid, invalid } of cases) {
  test(`format ${format} accepts valid values and rejects invalid ones`, () => {
    for (const value of valid) assert.deepEqual(validateValue(getFormat(format), value), [], JSON.stringify(value))
    for (const value of invalid) assert.notDeepEqual(validateValue(getFormat(format), value), [], JSON.stringify(value))
  })

  test(`format ${format} does not change a value that it has parsed, since convict parses twice`, () => {
    for (const value of valid) {
      const parsed = getFormat(format).parse(value)
      assert.deepEqual(getFormat(format).parse(parsed), parsed)
    }
  })
}

test('formats normalize keys to lower case, warning to warn, one role to a list, and lists to unique, trimmed items', () => {
  assert.equal(formats.secret_key.parse(key.toUpperCase()), key)
  assert.equal(formats.log_level.parse('warning'), 'warn')
  assert.deepEqual(formats.group_mappings.parse({ a: 'b' }), { a: ['b'] })
  assert.deepEqual(formats.text_list.parse(' a ,, b,a'), ['a', 'b'])
})

test('parseDuration returns the sum of all parts in milliseconds', () => {
  assert.deepEqual(['500ms', '1h30m', '1.5s', '0s'].map(parseDuration), [500, 5_400_000, 1500, 0])
})

test('parseDuration restores any number of milliseconds that formatDuration has written', () => {
  fc.assert(fc.property(fc.nat(), (ms) => parseDuration(formatDuration(ms)) === ms))
})

test('parseAddress splits an address into host and port', () => {
  assert.deepEqual(parseAddress('[::1]:0'), { host: '::1', port: 0 })
  assert.deepEqual(parseAddress(':5000'), { host: '', port: 5000 })
})

for (const text of [
  '',
  '5000',
  'redis',
  'redis:',
  'redis:65536',
  'redis:123456',
  'redis:-1',
  'redis:6379\n',
  're dis:6379',
  'bücher:6379',
  '::1:6379',
  '[::1]',
  '[::1:6379',
  '[redis]:6379',
  '[10.0.0.1]:6379',
  '[fe80::1%eth0]:6379',
  '999.1.1.1:6379',
  '10.0.0:6379',
]) {
  test(`parseAddress rejects ${JSON.stringify(text)}`, () => assert.equal(parseAddress(text), undefined))
}

test('no format throws for any value', () => {
  fc.assert(
    fc.property(fc.constantFrom(...(Object.keys(formats) as FormatName[])), fc.anything(), (name, value) => {
      validateValue(getFormat(name), value)
    }),
    { numRuns: 2000 },
  )
})
