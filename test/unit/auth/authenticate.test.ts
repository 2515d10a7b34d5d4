import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { type AuthenticationOptions, createAuthentication } from '../../../src/auth/authenticate.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { identity } from './credentials/fixture.ts'

const request = {} as IncomingMessage
const credential = { authorization: 'Basic Ym9iOng=' }

function create(more: Partial<AuthenticationOptions> = {}) {
  const calls: string[] = []
  const note =
    <Args extends unknown[], R>(name: string, run: (...args: Args) => R) =>
    (...args: Args) => {
      calls.push(name)
      return run(...args)
    }
  const who = identity()
  const options: AuthenticationOptions = {
    isTrusted: () => true,
    identify: () => ({ identity: who, isAmbient: true }),
    isCrossSiteWrite: () => false,
    mapRoles: () => ['reader'],
    obtain: () => credential,
    deny: () => {},
    ...more,
  }
  const authentication = createAuthentication({
    isTrusted: note('isTrusted', options.isTrusted),
    identify: note('identify', options.identify),
    isCrossSiteWrite: options.isCrossSiteWrite,
    mapRoles: note('mapRoles', options.mapRoles),
    obtain: note('obtain', options.obtain),
    deny: note('deny', options.deny),
  })
  return { ...authentication, calls, who }
}

test('trust, then identity, then roles, then credential', async () => {
  const { authenticate, calls, who } = create()
  assert.deepEqual(await authenticate(request), { identity: who, roles: ['reader'], credential })
  assert.deepEqual(calls, ['isTrusted', 'identify', 'mapRoles', 'obtain'])
})

test('to recognize somebody is all of that but the credential', async () => {
  const { resolveSubject, calls, who } = create()
  const { identity, roles } = await resolveSubject(request)
  assert.deepEqual([identity, roles], [who, ['reader']])
  assert.deepEqual(calls, ['isTrusted', 'identify', 'mapRoles'])
})

test('the provider is told whether the peer is trusted', async () => {
  for (const isTrusted of [true, false]) {
    let told: boolean | undefined
    const { authenticate } = create({
      isTrusted: () => isTrusted,
      identify: (_, trusted) => {
        told = trusted
        return { identity: identity(), isAmbient: true }
      },
    })
    await authenticate(request)
    assert.equal(told, isTrusted)
  }
})

test('the same identity is checked and mapped once, its credential asked for each time', async () => {
  const { authenticate, calls } = create()
  await authenticate(request)
  await authenticate(request)
  assert.deepEqual(calls.filter((name) => name === 'mapRoles').length, 1)
  assert.deepEqual(calls.filter((name) => name === 'obtain').length, 2)
})

test('an invalid identity is refused every time, and never reaches roles or credential', async () => {
  const bad = identity({ username: 'bob:x' })
  const { authenticate, resolveSubject, calls } = create({ identify: () => ({ identity: bad, isAmbient: true }) })
  for (let i = 0; i < 2; i++) await assert.rejects(async () => authenticate(request), { code: 'identity_invalid' })
  await assert.rejects(async () => resolveSubject(request), { code: 'identity_invalid' })
  assert.ok(!calls.includes('mapRoles') && !calls.includes('obtain'))
})

test('no role: no credential is asked for', async () => {
  const { authenticate, calls } = create({
    mapRoles: () => {
      throw new GatewayError('no_roles', '')
    },
  })
  await assert.rejects(async () => authenticate(request), { code: 'no_roles' })
  assert.ok(!calls.includes('obtain'))
})

test('what answers later works as well, and its failure is ours', async () => {
  const { authenticate } = create({
    identify: async () => ({ identity: identity(), isAmbient: true }),
    obtain: async () => credential,
  })
  assert.equal((await authenticate(request)).credential, credential)
  const failing = create({ obtain: () => Promise.reject(new GatewayError('elasticsearch_unavailable', '')) })
  await assert.rejects(async () => failing.authenticate(request), { code: 'elasticsearch_unavailable' })
})

for (const code of ['no_roles', 'group_denied'] as const) {
  const refuse = () => {
    throw new GatewayError(code, 'not this one')
  }

  test(`${code}: the identity is denied, and the request is rejected with it`, async () => {
    const { authenticate, calls } = create({ mapRoles: refuse })
    await assert.rejects(async () => authenticate(request), { code })
    assert.deepEqual(calls, ['isTrusted', 'identify', 'mapRoles', 'deny'])
  })

  test(`${code} where the provider said nothing about groups: rejected, and the user keeps roles and password`, async () => {
    const { authenticate, calls } = create({
      mapRoles: refuse,
      identify: () => ({ identity: identity({ groups: [], groupsMissing: true }), isAmbient: true }),
    })
    await assert.rejects(async () => authenticate(request), { code })
    assert.ok(!calls.includes('deny'))
  })
}

test('an invalid, reserved or unknown identity does not cause a denial', async () => {
  for (const identify of [
    () => ({ identity: identity({ username: 'a:b' }), isAmbient: true }),
    () => ({ identity: identity({ username: 'elastic' }), isAmbient: true }),
    () => {
      throw new GatewayError('identity_missing', '')
    },
  ]) {
    const { authenticate, calls } = create({ identify })
    await assert.rejects(async () => authenticate(request))
    assert.ok(!calls.includes('deny'))
  }
})

test('an ambient identity gets no credential for a cross-site write, and an explicit token does', async () => {
  const identified = { identity: identity(), isAmbient: true }
  const { authenticate, resolveSubject, calls } = create({ identify: () => identified, isCrossSiteWrite: () => true })
  await assert.rejects(async () => authenticate(request), {
    code: 'cross_site',
    username: identified.identity.username,
  })
  await assert.rejects(async () => resolveSubject(request), { code: 'cross_site' })
  assert.ok(!calls.includes('obtain'))
  const explicit = create({ identify: () => ({ ...identified, isAmbient: false }), isCrossSiteWrite: () => true })
  assert.equal((await explicit.authenticate(request)).credential, credential)
})
