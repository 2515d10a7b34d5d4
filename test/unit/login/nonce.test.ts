import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIsOwnNonce, createNonce, deriveLoginKey } from '../../../src/login/nonce.ts'

const [former, current, other] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
const isOwn = createIsOwnNonce([current, former])

test('a nonce of ours is known, by a former key too', () => {
  for (const key of [current, former]) assert.equal(isOwn(createNonce(deriveLoginKey(key), 'unforeseen')), true)
})

test('another’s, a changed one, a short one and none are not', () => {
  const nonce = createNonce(deriveLoginKey(current), 'unforeseen')
  const others = [
    createNonce(deriveLoginKey(other), 'unforeseen'),
    `x${nonce}`,
    `${nonce}x`,
    nonce.slice(1),
    '',
    'é'.repeat(30),
  ]
  for (const one of [...others, undefined, null, 7, [nonce]]) assert.equal(isOwn(one), false, String(one))
})
