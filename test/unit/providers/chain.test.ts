import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { RequestIdentity } from '../../../src/auth/identity.ts'
import { type ErrorCode, GatewayError } from '../../../src/http/errors.ts'
import { createProviderChain } from '../../../src/providers/chain.ts'
import type { Provider } from '../../../src/providers/provider.ts'

const request = {} as IncomingMessage
const bob: RequestIdentity = Object.freeze({
  identity: Object.freeze({ username: 'bob', groups: [], provider: 'x' }),
  isAmbient: true,
})
const throws =
  (code: ErrorCode, detail: string = code): Provider =>
  () => {
    throw new GatewayError(code, detail)
  }
const rejects =
  (code: ErrorCode, detail?: string): Provider =>
  async (...asked) =>
    throws(code, detail)(...asked)
const answers: Provider = () => bob
const answersLater: Provider = async () => bob
const never: Provider = () => assert.fail('asked')
const ask = (...providers: Provider[]) => createProviderChain(providers)(request, true)

test('the first that knows somebody decides, at once where it can', async () => {
  assert.equal(ask(answers, never), bob)
  assert.equal(ask(throws('identity_missing'), answers, never), bob)
  assert.equal(await ask(answersLater, never), bob)
  assert.equal(await ask(rejects('identity_missing'), throws('identity_missing'), answersLater, never), bob)
})

for (const code of [
  'token_invalid',
  'token_expired',
  'peer_untrusted',
  'identity_invalid',
  'provider_unavailable',
  'internal',
] as const) {
  test(`${code} is never passed over`, async () => {
    assert.throws(() => ask(throws(code), never), { code })
    await assert.rejects(async () => ask(rejects(code), never), { code })
    await assert.rejects(async () => ask(rejects('identity_missing'), rejects(code), never), { code })
  })
}

test('what is no GatewayError is never passed over either', async () => {
  const fault = new TypeError('a bug')
  const broken: Provider = () => {
    throw fault
  }
  assert.throws(() => ask(broken, never), fault)
})

test('nobody: all that was looked for is in the detail', async () => {
  await assert.rejects(
    async () => ask(rejects('identity_missing', 'no token'), throws('identity_missing', 'no header')),
    {
      code: 'identity_missing',
      detail: 'no token; no header',
    },
  )
})

test('each is told whether the peer is trusted', () => {
  const seen: boolean[] = []
  const note: Provider = (_request, isTrusted) => {
    seen.push(isTrusted)
    throw new GatewayError('identity_missing', '')
  }
  assert.throws(() => createProviderChain([note, note])(request, false))
  assert.deepEqual(seen, [false, false])
})
