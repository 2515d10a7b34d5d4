import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { describe, test } from 'node:test'
import { createClientAddressOf } from '../../../src/auth/client-address.ts'
import fc from '../../support/property.ts'

type Headers = Readonly<{ xff?: string; forwarded?: string }>

const peer = '10.0.0.1'

function read(
  { xff, forwarded }: Headers,
  trustedProxies: readonly string[] = ['private'],
  isTrusted = true,
  from: string | null = peer,
) {
  const headers = {
    ...(xff !== undefined && { 'x-forwarded-for': xff }),
    ...(forwarded !== undefined && { forwarded }),
  }
  const request = { headers, socket: { remoteAddress: from ?? undefined } } as unknown as IncomingMessage
  return createClientAddressOf(trustedProxies)(request, isTrusted)
}

describe('without an address from a trusted peer', () => {
  test('the client is the peer if the peer is not trusted, whatever it sends', () => {
    assert.equal(read({ xff: '203.0.113.7', forwarded: 'for=203.0.113.7' }, ['10.0.0.0/8'], false), peer)
  })

  test('the client is the peer if a trusted peer sends no address', () => {
    for (const headers of [{}, { xff: '' }, { forwarded: '' }, { forwarded: 'proto=https' }])
      assert.equal(read(headers), peer)
  })

  test('the peer is an address of the log: without a zone, and as IPv4 if it is mapped', () => {
    assert.equal(read({}, [], false, '::ffff:10.0.0.1'), '10.0.0.1')
    assert.equal(read({}, [], false, 'fe80::1%eth0'), 'fe80::1')
  })

  test('the client of a unix socket or a closed connection is unknown, unless the peer is trusted and names it', () => {
    assert.equal(read({ xff: '203.0.113.7' }, ['unix'], false, null), undefined)
    assert.equal(read({}, ['unix'], true, null), undefined)
    assert.equal(read({ xff: '203.0.113.7' }, ['unix'], true, null), '203.0.113.7')
  })
})

describe('X-Forwarded-For of a trusted peer', () => {
  test('only the last entry counts by default, because the client may have sent the others', () => {
    assert.equal(read({ xff: '198.51.100.1, 203.0.113.7' }), '203.0.113.7')
  })

  for (const word of ['private', 'loopback', 'unix', 'client_cert', 'all', 'none']) {
    test(`the word ${word} in trusted_proxies makes no entry the address of a proxy`, () => {
      assert.equal(read({ xff: '198.51.100.1, 10.0.0.2' }, [word]), '10.0.0.2')
      assert.equal(read({ xff: '198.51.100.1, 127.0.0.1' }, [word]), '127.0.0.1')
    })
  }

  test('an entry is followed to the one before it if trusted_proxies has its address or its network', () => {
    const listed = ['10.0.0.0/8', '192.0.2.1', 'fd00::/8']
    assert.equal(read({ xff: '198.51.100.1, 203.0.113.7, 10.9.9.9' }, listed), '203.0.113.7')
    assert.equal(read({ xff: '198.51.100.1,203.0.113.7,192.0.2.1,fd00::1,::ffff:10.9.9.9' }, listed), '203.0.113.7')
    assert.equal(read({ xff: '198.51.100.1, 192.0.2.2' }, listed), '192.0.2.2')
  })

  test('the first entry counts if all of them are proxies', () => {
    assert.equal(read({ xff: '10.0.0.3, 10.0.0.2' }, ['10.0.0.0/8']), '10.0.0.3')
  })

  for (const [entry, address] of Object.entries({
    '203.0.113.7': '203.0.113.7',
    ' 203.0.113.7\t': '203.0.113.7',
    '203.0.113.7:55': '203.0.113.7',
    '2001:db8::1': '2001:db8::1',
    '[2001:db8::1]': '2001:db8::1',
    '[2001:db8::1]:55': '2001:db8::1',
    '::ffff:203.0.113.7': '203.0.113.7',
    'fe80::1%eth0': 'fe80::1',
  })) {
    test(`the entry ${JSON.stringify(entry)} is the address ${address}`, () => {
      assert.equal(read({ xff: entry }), address)
      assert.equal(read({ xff: `x, ${entry}` }), address)
    })
  }

  for (const entry of [
    '',
    'unknown',
    '_hidden',
    'example.com',
    '203.0.113.256',
    '203.0.113.7:x',
    '[::1',
    '1.2.3',
    '::g',
    '"203.0.113.7"',
  ]) {
    test(`the entry ${JSON.stringify(entry)} is no address, so the last good one counts`, () => {
      assert.equal(read({ xff: entry }), peer)
      assert.equal(read({ xff: `198.51.100.1, ${entry}, 10.0.0.2` }, ['10.0.0.0/8']), '10.0.0.2')
    })
  }

  test('Forwarded is ignored if there is X-Forwarded-For', () => {
    assert.equal(read({ xff: '203.0.113.7', forwarded: 'for=198.51.100.1' }), '203.0.113.7')
  })
})

describe('Forwarded of a trusted peer (RFC 7239)', () => {
  for (const [element, address] of Object.entries({
    'for=203.0.113.7': '203.0.113.7',
    'For=203.0.113.7;proto=https': '203.0.113.7',
    'proto=https; FOR="203.0.113.7:55" ;by=10.0.0.1;host="a, b;for=1.2.3.4"': '203.0.113.7',
    'for="[2001:db8::1]"': '2001:db8::1',
    'for="[2001:db8::1]:4711"': '2001:db8::1',
    'for=[2001:db8::1]:4711': '2001:db8::1',
    'host="quote \\" , ;for=1.2.3.4";for=203.0.113.7': '203.0.113.7',
    'host="backslash \\\\";for=203.0.113.7': '203.0.113.7',
  })) {
    test(`the element ${element} has the address ${address}, also behind an element of the client`, () => {
      assert.equal(read({ forwarded: element }), address)
      assert.equal(read({ forwarded: `for=198.51.100.1, ${element}` }), address)
      assert.equal(read({ forwarded: `for="198.51.100.1, ${element}` }), address, 'an unmatched quote of the client')
    })
  }

  for (const element of [
    'for=unknown',
    'for=_hidden',
    'for="_hidden:_port"',
    'for=203.0.113.7;for=203.0.113.8',
    'for=203.0.113.7 proto=https',
    'for=203.0.113.7;proto',
    'for="203.0.113.7',
    'for',
    'by=203.0.113.7',
    'host="x;for=203.0.113.7"',
    '203.0.113.7',
  ]) {
    test(`the element ${element} has no address, so the last good one counts`, () => {
      assert.equal(read({ forwarded: element }), peer)
    })
  }

  test('an element is followed to the one before it if trusted_proxies has its address', () => {
    const forwarded = 'for=198.51.100.1, for=203.0.113.7;host="a,b", for=10.0.0.2'
    assert.equal(read({ forwarded }), '10.0.0.2')
    assert.equal(read({ forwarded }, ['10.0.0.0/8']), '203.0.113.7')
  })
})

describe('headers of an attacker', () => {
  for (const [what, headers] of Object.entries<Headers>({
    'of proxies': { xff: '10.0.0.2,'.repeat(7000) },
    'of commas': { xff: ','.repeat(64_000) },
    'of one address without an end': { xff: '1'.repeat(64_000) },
    'of quotes': { forwarded: '"'.repeat(64_000) },
    'of escaped quotes': { forwarded: `"${'\\'.repeat(64_000)}"` },
    'of backslashes before quotes': { forwarded: '\\"'.repeat(32_000) },
    'of names': { forwarded: 'a'.repeat(64_000) },
    'of pairs': { forwarded: 'a=b;'.repeat(16_000) },
    'of spaces': { forwarded: `for=1.2.3.4${' '.repeat(64_000)}x` },
  })) {
    test(`64 KB ${what} are read in bounded time, and the result is an address`, () => {
      assert.notEqual(isIP(read(headers, ['10.0.0.0/8'])!), 0)
    })
  }

  test('a list of more than 20 proxies is not followed further', () => {
    assert.equal(read({ xff: `203.0.113.7${', 10.0.0.2'.repeat(20)}` }, ['10.0.0.0/8']), '10.0.0.2')
    assert.equal(read({ xff: `203.0.113.7${', 10.0.0.2'.repeat(19)}` }, ['10.0.0.0/8']), '203.0.113.7')
  })

  const piece = fc.constantFrom(
    'for=',
    'FOR',
    '"',
    '\\',
    ',',
    ';',
    '=',
    ' ',
    '[',
    ']',
    ':',
    '%',
    '::1',
    '10.0.0.2',
    '203.0.113.7',
    'unknown',
    '_x',
    '1',
  )
  const text = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''))

  test('any text gives an address that Elasticsearch accepts', () => {
    fc.assert(
      fc.property(text, fc.boolean(), (value, isForwarded) => {
        const address = read(isForwarded ? { forwarded: value } : { xff: value }, ['10.0.0.0/8'])!
        return isIP(address) !== 0 && !address.includes('%')
      }),
    )
  })

  test("whatever the client has sent, the peer's own entry is the address", () => {
    fc.assert(
      fc.property(text, (value) => {
        assert.equal(read({ xff: `${value}, 203.0.113.7` }), '203.0.113.7')
        assert.equal(read({ forwarded: `${value}, for="203.0.113.7:1";host="a,b"` }), '203.0.113.7')
      }),
    )
  })
})
