import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  clientNetwork,
  isLocalhostName,
  isLoopbackAddress,
  isLoopbackHost,
  loopbackRanges,
  toIp,
  unmapIpv4,
  withBrackets,
  withoutBrackets,
  withoutPort,
} from '../../../config/hosts.ts'
import { createIsTrustedPeer } from '../../../src/auth/trust/trust.ts'

const loopbackAddresses = [
  '127.0.0.1',
  '127.255.255.254',
  '::1',
  '0:0:0:0:0:0:0:1',
  '0000:0000:0000:0000:0000:0000:0000:0001',
  '::ffff:127.0.0.1',
  '::FFFF:127.9.9.9',
  '::ffff:7f00:1',
]
const otherAddresses = [
  '',
  '126.255.255.255',
  '128.0.0.1',
  '10.0.0.1',
  '0.0.0.0',
  '::',
  '::2',
  '::ffff:10.0.0.1',
  '::127.0.0.1', // deprecated IPv4-compatible addresses (RFC 4291, 2.5.5.1) are routed
  '64:ff9b::7f00:1', // NAT64
  '127.1',
  '0177.0.0.1',
  '127.0.0.01',
  '127.0.0.1.',
  ' 127.0.0.1',
  '127.0.0.1:80',
  '2130706433',
  '0x7f000001',
  '127.evil.example',
  '127.0.0.1.evil.example',
  '[::1',
  '::1]',
]

describe('a loopback address', () => {
  const isTrusted = createIsTrustedPeer(loopbackRanges)
  for (const address of loopbackAddresses)
    test(`${address} is a loopback address`, () => {
      assert.equal(isLoopbackAddress(address), true)
      assert.equal(isLoopbackHost(address), true)
      assert.equal(isLoopbackHost(withBrackets(address)), true)
      assert.equal(isTrusted({ address }), true)
    })
  for (const address of otherAddresses)
    test(`"${address}" is not a loopback address`, () => {
      assert.equal(isLoopbackAddress(address), false)
      assert.equal(isLoopbackHost(address), false)
      assert.equal(isTrusted({ address }), false)
    })
  test('the missing address of a closed connection is not a loopback address', () =>
    assert.equal(isLoopbackAddress(undefined), false))
  test('an address in brackets is not a loopback address', () => assert.equal(isLoopbackAddress('[::1]'), false))
})

describe('a host name of this machine', () => {
  const rows: [name: string, isHost: boolean, isForBrowsers: boolean][] = [
    ['localhost', true, true],
    ['LocalHost', true, true],
    ['localhost.', false, true],
    ['kibana.localhost', false, true],
    ['kibana.localhost.', false, true],
    ['localhost.example', false, false],
    ['localhost.localdomain', false, false],
    ['notlocalhost', false, false],
    ['.localhost', false, false],
    ['localhost..', false, false],
    ['localhost:80', false, false],
    ['[localhost]', false, false],
    ['xlocalhost.', false, false],
    ['local\nhost', false, false],
    ['', false, false],
    ['127.0.0.1', true, false], // an address is not a name
  ]
  for (const [name, isHost, isForBrowsers] of rows)
    test(`${JSON.stringify(name)} is${isHost ? '' : ' not'} a loopback host for connections, and is${isForBrowsers ? '' : ' not'} a localhost name for browsers`, () =>
      assert.deepEqual([isLoopbackHost(name), isLocalhostName(name)], [isHost, isForBrowsers]))
})

describe('brackets', () => {
  const rows: [bare: string, bracketed: string][] = [
    ['::1', '[::1]'],
    ['2001:db8::1', '[2001:db8::1]'],
    ['10.0.0.1', '10.0.0.1'],
    ['es.example.com', 'es.example.com'],
  ]
  for (const [bare, bracketed] of rows)
    test(`${bare} is written as ${bracketed} in a URL`, () => {
      assert.equal(withBrackets(bare), bracketed)
      assert.equal(withoutBrackets(bracketed), bare)
    })
  test('withoutBrackets keeps brackets that are not a pair', () =>
    assert.deepEqual(['[::1', '::1]', '', '[', '[]'].map(withoutBrackets), ['[::1', '::1]', '', '[', '']))
})

describe('unmapIpv4', () => {
  for (const [address, expected] of [
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['10.0.0.1', '10.0.0.1'],
    ['::1', '::1'],
    ['::ffff:1', '::ffff:1'],
    ['2001:db8::ffff:10.0.0.1', '2001:db8::ffff:10.0.0.1'],
  ] as const)
    test(`unmapIpv4 writes ${address} as ${expected}`, () => assert.equal(unmapIpv4(address), expected))
})

describe('toIp', () => {
  for (const [text, expected] of [
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['10.0.0.1', '10.0.0.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['10.0.0.1:80', undefined],
    ['[::1]', undefined],
    ['010.0.0.1', undefined],
    ['localhost', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const)
    test(`toIp reads ${text} as ${expected}`, () => assert.equal(toIp(text), expected))
})

for (const [header, host] of [
  ['localhost', 'localhost'],
  ['localhost:5000', 'localhost'],
  ['127.0.0.1:5000', '127.0.0.1'],
  ['[::1]', '[::1]'],
  ['[::1]:5000', '[::1]'],
  ['::1', ''],
  ['::1:5000', ''],
  ['localhost:', ''],
  ['localhost:http', ''],
  ['localhost:5000:5000', ''],
  ['[::1', ''],
  ['[::1]evil.example', ''],
  ['', ''],
] as const) {
  test(`the Host header "${header}" without its port is "${host}"`, () => assert.equal(withoutPort(header), host))
}

test('clientNetwork is an IPv4 address, also of a mapped one, or the first 64 bits of an IPv6 address', () => {
  for (const [address, network] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::5:6', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
  ] as const)
    assert.equal(clientNetwork(address), network, address)
})
