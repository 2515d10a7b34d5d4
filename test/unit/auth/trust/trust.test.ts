import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createIsTrustedPeer } from '../../../../src/auth/trust/trust.ts'

const rows: [entries: string[], trusted: (string | undefined)[], untrusted: (string | undefined)[]][] = [
  [
    ['loopback'],
    ['127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1'],
    ['128.0.0.1', '126.255.255.255', '::2', '::', '0.0.0.0', '10.0.0.1', undefined],
  ],
  [
    ['private'],
    [
      '10.0.0.0',
      '10.255.255.255',
      '172.16.0.0',
      '172.31.255.255',
      '192.168.0.1',
      'fc00::1',
      'fdff:ffff::1',
      '::ffff:10.0.0.1',
      '::ffff:192.168.1.1',
    ],
    [
      '9.255.255.255',
      '11.0.0.0',
      '172.15.255.255',
      '172.32.0.0',
      '192.167.255.255',
      '192.169.0.0',
      'fbff::1',
      'fe00::1',
      'fe80::1',
      '127.0.0.1',
      '100.64.0.1',
      '169.254.0.1',
      '::ffff:8.8.8.8',
    ],
  ],
  [['10.1.2.3'], ['10.1.2.3', '::ffff:10.1.2.3'], ['10.1.2.4', '10.1.2.30']],
  [['10.1.2.3/32'], ['10.1.2.3'], ['10.1.2.2', '10.1.2.4']],
  [['10.1.2.4/30'], ['10.1.2.4', '10.1.2.7'], ['10.1.2.3', '10.1.2.8']],
  [['10.1.2.3/8'], ['10.9.9.9'], ['11.1.2.3']], // host bits set
  [['0.0.0.0/0'], ['8.8.8.8', '::ffff:8.8.8.8'], ['2001:db8::1', undefined]],
  [['2001:db8::/32'], ['2001:db8::1', '2001:db8:ffff::1'], ['2001:db9::1', '32.1.13.184']],
  [['fe80::/10'], ['fe80::1%eth0', 'fe80::1', 'febf::1%2'], ['fec0::1%eth0', '::1%lo']],
  [['::1'], ['::1', '0:0:0:0:0:0:0:1'], ['::2', '127.0.0.1']],
  [['unix'], [], [undefined, '127.0.0.1', '::1', '', 'unix']], // not unix sockets
  [
    ['loopback', 'private'],
    ['127.0.0.1', '10.0.0.1'],
    [undefined, '8.8.8.8'],
  ],
  [['none'], [], [undefined, '127.0.0.1', '::1', '10.0.0.1', '']],
  [[], [], [undefined, '127.0.0.1', '::1']],
  [['all'], [undefined, '127.0.0.1', '8.8.8.8', '2001:db8::1'], []],
]

for (const [entries, trusted, untrusted] of rows) {
  describe(`trusted_proxies: [${entries}]`, () => {
    const isTrusted = createIsTrustedPeer(entries)
    for (const address of trusted)
      test(`the peer ${address} is trusted`, () => assert.equal(isTrusted({ address }), true))
    for (const address of untrusted)
      test(`the peer ${address} is not trusted`, () => assert.equal(isTrusted({ address }), false))
  })
}

test('a peer whose address is not an IP address is not trusted', () => {
  const isTrusted = createIsTrustedPeer(['loopback', 'private', '0.0.0.0/0', '::/0'])
  for (const address of ['', 'localhost', '127.0.0.1 ', '127.1', '0x7f.0.0.1', '127.0.0.1,8.8.8.8', '%', '10.0.0.1/8'])
    assert.equal(isTrusted({ address }), false, address)
})

test('the peer of a unix socket is trusted if trusted_proxies contains unix or all', () => {
  const peer = { address: undefined, isUnixSocket: true }
  for (const entries of [['unix'], ['loopback', 'unix'], ['all']])
    assert.equal(createIsTrustedPeer(entries)(peer), true)
  for (const entries of [[], ['none'], ['loopback', 'private', '0.0.0.0/0', '::/0']])
    assert.equal(createIsTrustedPeer(entries)(peer), false)
})

test('the verdict about an address is the same when it is requested again after thousands of others', () => {
  const isTrusted = createIsTrustedPeer(['10.0.0.0/9'])
  const addresses = Array.from({ length: 5000 }, (_, index) => `10.${index % 256}.${index >> 8}.1`)
  for (const round of [1, 2])
    for (const address of addresses)
      assert.equal(isTrusted({ address }), Number(address.split('.')[1]) < 128, `${address}, round ${round}`)
})
