import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNotices } from '../../../../src/login/form/notice.ts'
import { createSeal } from '../../../../src/sessions/seal.ts'

const secret = '5eed'.padEnd(64, '0')
const notices = createNotices(createSeal([secret], 'notice'))
const cookieIn = (setCookie: string) => setCookie.split(';', 1)[0]!

test('a notice passes its reason and the username in a cookie that lasts for a minute and reveals neither', () => {
  const notice = { reason: 'rejected', username: 'a password that was typed into the wrong field' } as const
  const setCookie = notices.create(notice)
  assert.match(setCookie, /^__Host-elastauth-notice=[\w.-]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=60$/)
  const sealed = cookieIn(setCookie).split('=')[1]!
  assert.doesNotMatch(Buffer.from(sealed.slice(2), 'base64url').toString('latin1'), /password|rejected/)
  assert.deepEqual(notices.read(cookieIn(setCookie)), notice)
})

test('a notice with a long username has a short cookie', () => {
  const setCookie = notices.create({ reason: 'expired', username: 'x'.repeat(16_000) })
  assert.ok(setCookie.length < 600)
  assert.equal(notices.read(cookieIn(setCookie))!.username, 'x'.repeat(255))
})

test('a cookie that another key has sealed, or that is not a notice, is ignored', () => {
  const other = createNotices(createSeal(['5eee'.padEnd(64, '0')], 'notice'))
  const state = createSeal([secret], 'login').close('', '{"reason":"rejected","username":"x"}')
  for (const cookies of [
    undefined,
    '',
    '__Host-elastauth-notice=',
    '__Host-elastauth-notice=1.x',
    cookieIn(other.create({ reason: 'rejected', username: 'x' })),
    `__Host-elastauth-notice=${state}`,
  ])
    assert.equal(notices.read(cookies), undefined)
})
