import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AuthenticationOptions, createAuthentication } from '../../../src/auth/authenticate.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { contextOf } from '../../support/request-context.ts'
import { identity } from './credentials/fixture.ts'

const context = contextOf()
const credential = { authorization: 'Basic Ym9iOng=' }

function create(overrides: Partial<AuthenticationOptions> = {}) {
  const calls: string[] = []
  const recorded =
    <Args extends unknown[], R>(name: string, run: (...args: Args) => R) =>
    (...args: Args) => {
      calls.push(name)
      return run(...args)
    }
  const user = identity()
  const options: AuthenticationOptions = {
    identify: () => ({ identity: user, isAmbient: true }),
    isCrossSiteWrite: () => false,
    mapRoles: () => ['reader'],
    obtain: () => credential,
    deny: () => {},
    ...overrides,
  }
  const authentication = createAuthentication({
    identify: recorded('identify', options.identify),
    isCrossSiteWrite: options.isCrossSiteWrite,
    mapRoles: recorded('mapRoles', options.mapRoles),
    obtain: recorded('obtain', options.obtain),
    deny: recorded('deny', options.deny),
  })
  return { ...authentication, calls, user }
}

test('authenticate checks the identity, then maps roles, then obtains the credential', async () => {
  const { authenticate, calls, user } = create()
  assert.deepEqual(await authenticate(context), { identity: user, roles: ['reader'], credential })
  assert.deepEqual(calls, ['identify', 'mapRoles', 'obtain'])
})

test('resolveSubject returns the identity and its roles without obtaining a credential', async () => {
  const { resolveSubject, calls, user } = create()
  const { identity, roles } = await resolveSubject(context)
  assert.deepEqual([identity, roles], [user, ['reader']])
  assert.deepEqual(calls, ['identify', 'mapRoles'])
})

test('the provider receives whether the peer is trusted', async () => {
  for (const isTrusted of [true, false]) {
    let received: boolean | undefined
    const { authenticate } = create({
      identify: (context) => {
        received = context.isTrusted
        return { identity: identity(), isAmbient: true }
      },
    })
    await authenticate(contextOf({}, isTrusted))
    assert.equal(received, isTrusted)
  }
})

test('the same identity object is checked and mapped once, and its credential is obtained for each request', async () => {
  const { authenticate, calls } = create()
  await authenticate(context)
  await authenticate(context)
  assert.deepEqual(calls.filter((name) => name === 'mapRoles').length, 1)
  assert.deepEqual(calls.filter((name) => name === 'obtain').length, 2)
})

test('an invalid identity is rejected each time, before roles are mapped or a credential is obtained', async () => {
  const invalid = identity({ username: 'bob:x' })
  const { authenticate, resolveSubject, calls } = create({ identify: () => ({ identity: invalid, isAmbient: true }) })
  for (let i = 0; i < 2; i++) await assert.rejects(async () => authenticate(context), { code: 'identity_invalid' })
  await assert.rejects(async () => resolveSubject(context), { code: 'identity_invalid' })
  assert.ok(!calls.includes('mapRoles') && !calls.includes('obtain'))
})

test('an identity without a role is rejected, and no credential is obtained', async () => {
  const { authenticate, calls } = create({
    mapRoles: () => {
      throw new GatewayError('no_roles', '')
    },
  })
  await assert.rejects(async () => authenticate(context), { code: 'no_roles' })
  assert.ok(!calls.includes('obtain'))
})

test('an asynchronous provider and credential are awaited, and authenticate rejects with their error', async () => {
  const { authenticate } = create({
    identify: async () => ({ identity: identity(), isAmbient: true }),
    obtain: async () => credential,
  })
  assert.equal((await authenticate(context)).credential, credential)
  const failing = create({ obtain: () => Promise.reject(new GatewayError('elasticsearch_unavailable', '')) })
  await assert.rejects(async () => failing.authenticate(context), { code: 'elasticsearch_unavailable' })
})

for (const code of ['no_roles', 'group_denied'] as const) {
  const rejectGroups = () => {
    throw new GatewayError(code, 'no matching group')
  }

  test(`a request whose identity mapRoles rejects with ${code} is rejected and causes a denial of the user`, async () => {
    const { authenticate, calls } = create({ mapRoles: rejectGroups })
    await assert.rejects(async () => authenticate(context), { code })
    assert.deepEqual(calls, ['identify', 'mapRoles', 'deny'])
  })

  test(`an identity without information about groups is rejected with ${code} but causes no denial, so the user keeps roles and password`, async () => {
    const { authenticate, calls } = create({
      mapRoles: rejectGroups,
      identify: () => ({ identity: identity({ groups: [], groupsMissing: true }), isAmbient: true }),
    })
    await assert.rejects(async () => authenticate(context), { code })
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
    await assert.rejects(async () => authenticate(context))
    assert.ok(!calls.includes('deny'))
  }
})

test('an ambient identity gets no credential for a cross-site write, but an explicit token does', async () => {
  const identified = { identity: identity(), isAmbient: true }
  const { authenticate, resolveSubject, calls } = create({ identify: () => identified, isCrossSiteWrite: () => true })
  await assert.rejects(async () => authenticate(context), {
    code: 'cross_site',
    username: identified.identity.username,
  })
  await assert.rejects(async () => resolveSubject(context), { code: 'cross_site' })
  assert.ok(!calls.includes('obtain'))
  const explicit = create({ identify: () => ({ ...identified, isAmbient: false }), isCrossSiteWrite: () => true })
  assert.equal((await explicit.authenticate(context)).credential, credential)
})

test("a client's own credential is forwarded with the roles of Elasticsearch, and is neither mapped nor obtained", async () => {
  const user = Object.freeze({ ...identity(), username: 'DOMAIN\\bob' })
  const identified = { identity: user, isAmbient: false, ownRoles: ['editor'] }
  const { authenticate, describeUser, resolveSubject, calls } = create({ identify: () => identified })
  const own = contextOf({ headers: { authorization: 'ApiKey eDp5' } })
  const expected = { identity: user, roles: ['editor'], credential: { authorization: 'ApiKey eDp5' } }
  assert.deepEqual(authenticate(own), expected)
  assert.deepEqual((await describeUser(own)).roles, ['editor'])
  assert.deepEqual((await resolveSubject(own)).roles, ['editor'])
  assert.deepEqual(calls, ['identify', 'identify', 'identify'])
})

test("CSRF: a cross-site write with a client's own ambient credential is rejected", async () => {
  const identified = { identity: identity(), isAmbient: true, ownRoles: [] }
  const { authenticate } = create({ identify: () => identified, isCrossSiteWrite: () => true })
  await assert.rejects(async () => authenticate(contextOf()), { code: 'cross_site' })
})
