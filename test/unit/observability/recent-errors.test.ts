import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../../src/http/errors.ts'
import { createRecentErrors } from '../../../src/observability/recent-errors.ts'

test('errors of a kind are counted, and the latest kind comes first', () => {
  let time = 0
  const { note, list } = createRecentErrors(() => time)
  for (const detail of ['from 10.0.0.1', 'from 10.0.0.2', 'from 10.0.0.1']) {
    time += 1000
    note(new GatewayError('peer_untrusted', detail))
  }
  assert.deepEqual(list(), [
    { code: 'peer_untrusted', detail: 'from 10.0.0.1', count: 2, last: '1970-01-01T00:00:03.000Z' },
    { code: 'peer_untrusted', detail: 'from 10.0.0.2', count: 1, last: '1970-01-01T00:00:02.000Z' },
  ])
})

test('at most 50 kinds of errors are kept, the latest ones', () => {
  const { note, list } = createRecentErrors(() => 0)
  for (let i = 0; i < 1000; i++) note(new GatewayError('not_found', String(i)))
  assert.equal(list().length, 50)
  assert.deepEqual([list()[0]!.detail, list().at(-1)!.detail], ['999', '950'])
})

test('many errors of one code, whose details clients choose, do not displace errors of other codes', () => {
  const { note, list } = createRecentErrors(() => 0)
  note(new GatewayError('key_conflict', 'another installation'))
  for (let i = 0; i < 1000; i++) note(new GatewayError('login_insecure', `http://${i}.test`))
  assert.equal(list().length, 50)
  assert.deepEqual([list()[0]!.detail, list().at(-1)!.code], ['http://999.test', 'key_conflict'])
})

test('the groups of a user who is denied are not kept', () => {
  const { note, list } = createRecentErrors(() => 0)
  note(new GatewayError('no_roles', "no group is in group_mappings; the user's groups: payroll"))
  note(new GatewayError('group_denied', "the user's groups: payroll"))
  assert.doesNotMatch(JSON.stringify(list()), /payroll/)
  assert.equal(list().length, 2)
})
