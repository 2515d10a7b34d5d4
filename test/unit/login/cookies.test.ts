import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCookie, sessionCookie } from '../../../src/login/cookies.ts'

const rows: readonly [header: string | undefined, value: string | undefined][] = [
  [undefined, undefined],
  ['', undefined],
  ['a=b', undefined],
  [`${sessionCookie}=x`, 'x'],
  [`a=b; ${sessionCookie}=x; c=d`, 'x'],
  [`a=b;${sessionCookie}=x;c=d`, 'x'],
  [`${sessionCookie}=`, ''],
  // Another cookie whose name or value holds ours.
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
  // Twice: a browser never does that with `__Host-`.
  [`${sessionCookie}=x; ${sessionCookie}=y`, undefined],
  [`${sessionCookie}=x; ${sessionCookie}=x`, undefined],
]

for (const [header, value] of rows) {
  test(`${header} → ${value}`, () => assert.equal(readCookie(header, sessionCookie), value))
}
