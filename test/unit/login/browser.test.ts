import assert from 'node:assert/strict'
import { test } from 'node:test'
import { browserOf } from '../../../src/login/browser.ts'

const webkit = 'AppleWebKit/537.36 (KHTML, like Gecko)'
const windows = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)'
const mac = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)'
const iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)'

for (const [userAgent, label] of [
  ['Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 'Firefox on Linux'],
  ['Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0', 'Firefox on Android'],
  [`${iphone} FxiOS/145.0 Mobile/15E148 Safari/605.1.15`, 'Firefox on iOS'],
  [`${windows} ${webkit} Chrome/142.0.0.0 Safari/537.36`, 'Chrome on Windows'],
  [`${windows} ${webkit} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0`, 'Edge on Windows'],
  [`${mac} ${webkit} Chrome/142.0.0.0 Safari/537.36 OPR/124.0.0.0`, 'Opera on macOS'],
  [`Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${webkit} Chrome/142.0.0.0 Safari/537.36`, 'Chrome on ChromeOS'],
  [`Mozilla/5.0 (Linux; Android 10; K) ${webkit} Chrome/142.0.0.0 Mobile Safari/537.36`, 'Chrome on Android'],
  [`${iphone} CriOS/142.0.0.0 Mobile/15E148 Safari/604.1`, 'Chrome on iOS'],
  [`${iphone} Version/18.6 Mobile/15E148 Safari/604.1`, 'Safari on iOS'],
  [`${mac} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15`, 'Safari on macOS'],
  ['Firefox/145.0', 'Firefox'],
  ['curl/8.14.1', undefined],
  ['', undefined],
  [undefined, undefined],
  ['<script>alert(1)</script>', undefined],
] as const)
  test(`the browser of ${JSON.stringify(userAgent)} is ${label ?? 'unknown'}`, () =>
    assert.equal(browserOf(userAgent), label))

test('a header of a megabyte is searched in its first 512 characters only', () => {
  assert.equal(browserOf(`${'Version/1 '.repeat(100_000)}Firefox/145.0`), undefined)
  assert.equal(browserOf(`Firefox/1 ${'x'.repeat(1_000_000)}`), 'Firefox')
})
