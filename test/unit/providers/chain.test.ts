import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { RequestIdentity } from '../../../src/auth/identity.ts'
import { type ErrorCode, GatewayError } from '../../../src/http/errors.ts'
import { RequestContext } from '../../../src/http/request-context.ts'
import { createProviderChain } from '../../../src/providers/chain.ts'
import { createOidcProvider } from '../../../src/providers/oidc/index.ts'
import type { Provider } from '../../../src/providers/provider.ts'
import { contextOf, trustingReader } from '../../support/request-context.ts'

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
  async (...args) =>
    throws(code, detail)(...args)
const identifies: Provider = () => bob
const identifiesLater: Provider = async () => bob
const isNotTried: Provider = () => assert.fail('tried')
const identify = (...providers: Provider[]) => createProviderChain(providers)(contextOf())

test('the first provider that finds an identity decides', async () => {
  assert.equal(await identify(identifies, isNotTried), bob)
  assert.equal(await identify(throws('identity_missing'), identifies, isNotTried), bob)
  assert.equal(await identify(identifiesLater, isNotTried), bob)
  assert.equal(
    await identify(rejects('identity_missing'), throws('identity_missing'), identifiesLater, isNotTried),
    bob,
  )
})

for (const code of [
  'token_invalid',
  'token_expired',
  'peer_untrusted',
  'identity_invalid',
  'provider_unavailable',
  'internal',
] as const) {
  test(`the next provider is not tried after ${code}`, async () => {
    await assert.rejects(async () => identify(throws(code), isNotTried), { code })
    await assert.rejects(async () => identify(rejects(code), isNotTried), { code })
    await assert.rejects(async () => identify(rejects('identity_missing'), rejects(code), isNotTried), { code })
  })
}

test('the next provider is not tried after an error that is not a GatewayError', async () => {
  const fault = new TypeError('a bug')
  const broken: Provider = () => {
    throw fault
  }
  await assert.rejects(async () => identify(broken, isNotTried), fault)
})

test('identity_missing after all providers has all their reasons in its detail', async () => {
  await assert.rejects(
    async () => identify(rejects('identity_missing', 'no token'), throws('identity_missing', 'no header')),
    {
      code: 'identity_missing',
      detail: 'no token; no header',
    },
  )
})

test('each provider receives whether the peer is trusted', async () => {
  const seen: boolean[] = []
  const recorder: Provider = ({ isTrusted }) => {
    seen.push(isTrusted)
    throw new GatewayError('identity_missing', '')
  }
  await assert.rejects(async () => createProviderChain([recorder, recorder])(contextOf({}, false)))
  assert.deepEqual(seen, [false, false])
})

test('a peer stays trusted if it disconnects while OpenID Connect, tried first, looks for a token', async () => {
  let isConnected = true
  const oidc = createOidcProvider({
    async findToken() {
      isConnected = false
      return undefined
    },
    findSession: () => undefined,
    findCookieToken: () => undefined,
    requiresTrustedPeer: false,
  })
  const identifiesTrusted: Provider = ({ isTrusted }) => (isTrusted ? bob : assert.fail('not trusted'))
  const reader = { ...trustingReader, isTrusted: () => isConnected }
  const context = new RequestContext({} as IncomingMessage, reader, 'id-7', 0)
  assert.equal(await createProviderChain([oidc, identifiesTrusted])(context), bob)
})
