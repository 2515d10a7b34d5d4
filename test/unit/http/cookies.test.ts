import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCookie, readCookies } from '../../../src/http/cookies.ts'
import { sessionCookie } from '../../../src/login/cookies.ts'
import fc from '../../support/property.ts'

const rows: readonly [header: string | undefined, value: string | undefined][] = [
  [undefined, undefined],
  ['', undefined],
  ['a=b', undefined],
  [`${sessionCookie}=x`, 'x'],
  [`a=b; ${sessionCookie}=x; c=d`, 'x'],
  [`a=b;${sessionCookie}=x;c=d`, 'x'],
  [`${sessionCookie}=`, ''],
  // The name or value of another cookie contains ours (cookie tossing).
  [`x${sessionCookie}=x`, undefined],
  [`a=${sessionCookie}=x`, undefined],
  [`a=${sessionCookie}=x; ${sessionCookie}=y`, 'y'],
  [`a=b ${sessionCookie}=x`, undefined],
  [`a=b, ${sessionCookie}=x; ${sessionCookie}=y`, 'y'],
  [`a=b\t${sessionCookie}=x`, undefined],
  [`a=b; \u00a0${sessionCookie}=x`, undefined],
  [`  ${sessionCookie}=x ;  a=b`, 'x'],
  [`${sessionCookie}2=x`, undefined],
  [`__HOST-elastauth-session=x`, undefined],
  [`${sessionCookie} =x`, undefined],
  [`${sessionCookie}`, undefined],
  [`"${sessionCookie}=x"`, undefined],
  [`a="; ${sessionCookie}=x"`, 'x"'], // a semicolon ends a cookie, quoted or not (RFC 6265, section 5.2)
  // Duplicates: no browser sends them for a `__Host-` cookie.
  [`${sessionCookie}=x; ${sessionCookie}=y`, undefined],
  [`${sessionCookie}=x; ${sessionCookie}=x`, undefined],
]

for (const [header, value] of rows) {
  test(titleFor(header, value), () => assert.equal(readCookie(header, sessionCookie), value))
}

function titleFor(header: string | undefined, value: string | undefined): string {
  const cookie = value === undefined ? 'no session cookie' : `the session cookie ${JSON.stringify(value)}`
  return `reads ${cookie} from the Cookie header ${JSON.stringify(header)}`
}

test('reads all values of a repeated cookie, up to the given maximum', () => {
  const header = `a=b; ${sessionCookie}=x; ${sessionCookie}=; ${sessionCookie}= z ;${sessionCookie}2=n`
  assert.deepEqual(readCookies(header, sessionCookie, 9), ['x', '', 'z'])
  assert.deepEqual(readCookies(header, sessionCookie, 2), ['x', ''])
  assert.deepEqual(readCookies(undefined, sessionCookie, 9), [])
})

test('reads the same cookies from generated headers as a simple split does, and rejects a repeated cookie', () => {
  const part = fc.constantFrom(sessionCookie, '=', ';', ' ', 'x', `${sessionCookie}=x`, '; ', ',', '"', '\t', 'é')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const header = parts.join('')
      const values = header
        .split(';')
        .map((pair) => pair.replace(/^ +/, ''))
        .filter((pair) => pair.startsWith(`${sessionCookie}=`))
        .map((pair) => pair.slice(sessionCookie.length + 1).trim())
      assert.deepEqual(readCookies(header, sessionCookie, 99), values)
      assert.equal(readCookie(header, sessionCookie), values.length === 1 ? values[0] : undefined)
    }),
    { numRuns: 2000 },
  )
})
