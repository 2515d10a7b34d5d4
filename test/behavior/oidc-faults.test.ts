import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LogLine } from '../support/gateway.ts'
import {
  dropConnection,
  hang,
  type Interceptor,
  respondEndlessJson,
  respondHtml,
  respondJson,
} from '../support/oidc/faults.ts'
import { createSigningKey } from '../support/oidc/keys.ts'
import { createFixture } from './fixture.ts'
import { bearer, createProviderFor, startTokens, verdictOf } from './oidc-gateway.ts'

const fixture = await createFixture()
const readiness = async (url: string) => {
  const { components } = (await (await fetch(`${url}/elastauth/ready`)).json()) as {
    components: Record<string, string>
  }
  return components.provider
}

test('the provider is called twice at the start, and not for each token', async () => {
  const idp = await createProviderFor()
  const { url } = await startTokens(fixture, idp)
  const endpoints = () => idp.requests.map(({ endpoint }) => endpoint)
  while (endpoints().length < 2) await new Promise((resolve) => setImmediate(resolve))
  for (let i = 0; i < 20; i++)
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ jti: `${i}` }))), '200 alice')
  assert.deepEqual(endpoints(), ['discovery', 'jwks'])
})

test('1,000 tokens with invented key IDs cause one fetch of the keys', async () => {
  const idp = await createProviderFor()
  const { url } = await startTokens(fixture, idp)
  await bearer(url, await idp.sign())
  const unknownKey = createSigningKey('ES256')
  const startedAt = performance.now()
  for (let i = 0; i < 20; i++) {
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, j) => idp.sign({}, { kid: `${i}-${j}` }, unknownKey)),
    )
    const responses = await Promise.all(tokens.map((token) => bearer(url, token)))
    assert.deepEqual(new Set(responses.map(({ status }) => status)), new Set([401]))
  }
  // On a busy machine, the tokens take longer than the 10 s after which the keys may be fetched again.
  const allowed = 2 + Math.floor((performance.now() - startedAt) / 10_000)
  assert.ok(idp.calls('jwks') <= allowed, `${idp.calls('jwks')} calls`)
  assert.equal(await verdictOf(await bearer(url, await idp.sign({ jti: 'good' }))), '200 alice')
})

/** Limits calls only for the fault that waits for the limit: with another fault, a busy machine could exceed it first. */
const limitFor = (fault: Interceptor): Record<string, string> => (fault === hang ? { 'oidc.timeout': '3s' } : {})

const faults: [what: string, fault: Interceptor, reason: RegExp][] = [
  ['an HTML page', respondHtml, /contains no keys|content-type/],
  ['an endless response', respondEndlessJson, /sent more than 1048576 bytes/],
  ['no response', hang, /did not respond within 3000 ms/],
  ['a reset connection', dropConnection, /cannot be reached/],
  ['a status 500', respondJson(500, { error: 'server_error' }), /status/],
  ['a redirect', (_request, response) => response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end(), /status/],
  ['an empty key set', respondJson(200, { keys: [] }), /contains no keys/],
  ['a list instead of an object', respondJson(200, []), /contains no keys/],
]

describe('faults of the key set endpoint', () => {
  for (const [what, fault, reason] of faults) {
    test(`${what} from the key set endpoint leads to 503, and the reason is logged`, async () => {
      const idp = await createProviderFor()
      idp.intercept('jwks', fault)
      const { url, logged } = await startTokens(fixture, idp, { flags: limitFor(fault) })
      assert.equal(await verdictOf(await bearer(url, await idp.sign())), '503 provider_unavailable')
      const { message } = await logged(({ message = '' }) => message.startsWith('GET / 503 '))
      assert.match(message!, reason)
    })
  }
})

describe('faults of discovery', () => {
  for (const [what, fault, reason] of faults.slice(0, 6)) {
    test(`after ${what} from discovery, requests get 503 and readiness fails, and users of other providers are served`, async () => {
      const idp = await createProviderFor()
      idp.intercept('discovery', fault)
      const { url, logged } = await startTokens(fixture, idp, {
        flags: { auth_providers: 'oidc,authelia', ...limitFor(fault) },
      })
      assert.equal(await verdictOf(await bearer(url, await idp.sign())), '503 provider_unavailable')
      assert.equal(await readiness(url), 'down')
      assert.equal((await fetch(url, { headers: { 'Remote-User': 'bob' } })).status, 200)
      const { message } = await logged(({ message = '' }) => message.startsWith('the identity provider'))
      assert.match(message!, reason)
    })
  }

  test('a discovery document from another issuer leads to 503', async () => {
    const idp = await createProviderFor()
    const foreign = { issuer: 'https://evil.example', jwks_uri: `${idp.issuer}/jwks` }
    idp.intercept('discovery', respondJson(200, foreign))
    const { url, logged } = await startTokens(fixture, idp)
    assert.equal(
      await verdictOf(await bearer(url, await idp.sign({ iss: foreign.issuer }))),
      '503 provider_unavailable',
    )
    await logged(({ message = '' }) => message.includes('issuer does not match'))
  })

  test('a jwks_uri without https leads to 503, and is not called', async () => {
    const idp = await createProviderFor()
    idp.intercept('discovery', respondJson(200, { issuer: idp.issuer, jwks_uri: 'http://keys.example/jwks' }))
    const { url, logged } = await startTokens(fixture, idp)
    assert.equal(await verdictOf(await bearer(url, await idp.sign())), '503 provider_unavailable')
    await logged(({ message = '' }) => message.includes('keys.example is not https'))
  })
})

test('tokens are accepted once a provider that was down at the start is up', async () => {
  const idp = await createProviderFor()
  await idp.pause()
  const { url, logged } = await startTokens(fixture, idp)
  assert.equal(await readiness(url), 'down')
  assert.equal(await verdictOf(await bearer(url, await idp.sign())), '503 provider_unavailable')
  await idp.resume()
  // Discovery is retried at the earliest one second after the failure, by the next request.
  while ((await readiness(url)) !== 'up') await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(await verdictOf(await bearer(url, await idp.sign())), '200 alice')
  const isUp = (line: LogLine) => line['event.action'] === 'provider_up'
  assert.equal((await logged(isUp)).message, 'connected to the identity provider')
  await logged((line) => line['event.action'] === 'provider_down' && line['log.level'] === 'error')
})

test('tokens are accepted with the cached keys while the provider is down', async () => {
  const idp = await createProviderFor()
  const { url } = await startTokens(fixture, idp)
  assert.equal(await verdictOf(await bearer(url, await idp.sign())), '200 alice')
  await idp.pause()
  assert.equal(await verdictOf(await bearer(url, await idp.sign({ jti: 'new' }))), '200 alice')
  const unknown = await idp.sign({}, {}, createSigningKey())
  assert.match(await verdictOf(await bearer(url, unknown)), /401 token_invalid|503 provider_unavailable/)
})

test('discovery is skipped if all required endpoints are configured', async () => {
  const idp = await createProviderFor()
  const { url } = await startTokens(fixture, idp, { flags: { 'oidc.jwks_uri': `${idp.issuer}/jwks` } })
  assert.equal(await verdictOf(await bearer(url, await idp.sign())), '200 alice')
  assert.deepEqual([idp.calls('discovery'), idp.calls('jwks')], [0, 1])
})

test('oidc.custom_headers are sent to the provider, but do not replace headers of the protocol', async () => {
  const idp = await createProviderFor()
  const { url } = await startTokens(fixture, idp, {
    flags: { 'oidc.token_validation': 'introspection' },
    env: { ELASTAUTH_OIDC_CUSTOM_HEADERS: JSON.stringify({ 'X-Tenant': 'blue', Accept: 'text/html' }) },
  })
  const { access_token } = await idp.tokensFor('alice')
  const before = idp.requests.length
  assert.equal(await verdictOf(await bearer(url, access_token)), '200 alice')
  for (const { headers } of idp.requests.slice(before)) {
    assert.equal(headers['x-tenant'], 'blue')
    assert.match(headers.accept ?? '', /json/)
  }
})

test('tokens stay cached after a reload of the configuration', async () => {
  const idp = await createProviderFor({ accessTokens: 'jwt' })
  const gateway = await startTokens(fixture, idp, { flags: { 'oidc.token_validation': 'both' } })
  const { access_token } = await idp.tokensFor('alice')
  assert.equal(await verdictOf(await bearer(gateway.url, access_token)), '200 alice')
  const before = idp.requests.length
  gateway.process.kill('SIGHUP')
  await gateway.logged(({ message = '' }) => message.startsWith('configuration reloaded'))
  assert.equal(await verdictOf(await bearer(gateway.url, access_token)), '200 alice')
  assert.equal(idp.requests.length, before)
})
