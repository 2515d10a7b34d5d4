import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIsOwnNonce, createNonce, deriveLoginKey } from '../../../src/login/nonce.ts'

const [previous, current, other] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
const isOwn = createIsOwnNonce([current, previous])

test('a nonce that was created with the current or a previous secret key is recognized', () => {
  for (const key of [current, previous]) assert.equal(isOwn(createNonce(deriveLoginKey(key), 'unpredictable')), true)
})

test('a nonce that is missing, modified, truncated or from another installation is not recognized', () => {
  const nonce = createNonce(deriveLoginKey(current), 'unpredictable')
  const invalid = [
    createNonce(deriveLoginKey(other), 'unpredictable'),
    `x${nonce}`,
    `${nonce}x`,
    nonce.slice(1),
    '',
    'é'.repeat(30),
  ]
  for (const value of [...invalid, undefined, null, 7, [nonce]]) assert.equal(isOwn(value), false, String(value))
})
