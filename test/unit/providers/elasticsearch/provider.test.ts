import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RequestIdentity } from '../../../../src/auth/identity.ts'
import { asGatewayError, type ErrorCode, GatewayError } from '../../../../src/http/errors.ts'
import { createAttemptLimits, type LimitReached } from '../../../../src/providers/attempt-limits.ts'
import type { ClientLogin } from '../../../../src/providers/elasticsearch/accept-login.ts'
import {
  createElasticsearchProvider,
  type ElasticsearchProviderOptions,
} from '../../../../src/providers/elasticsearch/index.ts'
import { createDelayedGuesses } from '../../../support/delayed-guesses.ts'
import { contextOf } from '../../../support/request-context.ts'

const monotonicNow = () => 0
const base64 = (text: string) => Buffer.from(text).toString('base64')
const apiKey = `ApiKey ${base64('key-1:secret')}`
const serviceToken = `Bearer ${base64('\0\x01\0\x01elastic/fleet-server/agent:secret').replace(/=+$/, '')}`
const basic = (username: string, password = 'password') => `Basic ${base64(`${username}:${password}`)}`

const keyLogin: ClientLogin = {
  username: 'alice',
  roles: [],
  metadata: {},
  realm: { name: '_es_api_key', type: '_es_api_key' },
  type: 'api_key',
  key: { id: 'key-1', name: 'filebeat' },
}
const tokenLogin: ClientLogin = {
  username: 'elastic/fleet-server',
  roles: [],
  metadata: { _elastic_service_account: true },
  realm: { name: '_service_account', type: '_service_account' },
  type: 'token',
  key: { name: 'agent' },
}
const nativeLogin = (username: string, metadata: ClientLogin['metadata'] = {}): ClientLogin => ({
  username,
  roles: ['editor'],
  metadata,
  realm: { name: 'default_native', type: 'native' },
  type: 'realm',
  key: undefined,
})

const contextWith = (rawHeaders: string[], isTrusted = true, remoteAddress = '203.0.113.1') =>
  contextOf({ rawHeaders, socket: { remoteAddress } as never }, isTrusted)

function createFixture(
  login: ClientLogin | ErrorCode | undefined,
  options: Partial<ElasticsearchProviderOptions> = {},
) {
  const sent: string[] = []
  const provider = createElasticsearchProvider({
    attempts: createAttemptLimits({ shared: undefined, onLimitReached: () => {}, monotonicNow, sleep: async () => {} }),
    allowReserved: [],
    ttlMs: 60_000,
    requiresTrustedPeer: false,
    serviceAccount: 'elastauth',
    ownKeyId: 'own-key',
    async logIn(authorization) {
      sent.push(authorization)
      if (typeof login === 'string') throw new GatewayError(login, 'Elasticsearch is down')
      return login
    },
    monotonicNow,
    ...options,
  })
  const identify = (authorization: string, isTrusted = true) =>
    provider(contextWith(['Host', 'x', 'Authorization', authorization], isTrusted))
  return { provider, identify, sent }
}

async function errorOf(identify: () => unknown): Promise<GatewayError> {
  try {
    await identify()
  } catch (error) {
    return asGatewayError(error)
  }
  return assert.fail('the request was accepted')
}
const codeOf = async (identify: () => unknown) => (await errorOf(identify)).code

describe('the identity of a client with its own credential', () => {
  test("an API key gives its owner's name, the key and no roles, and is not ambient", async () => {
    const { identify, sent } = createFixture(keyLogin)
    const identified = await identify(apiKey)
    assert.deepEqual(identified, {
      identity: {
        username: 'alice',
        groups: [],
        provider: 'elasticsearch',
        credential: { realm: '_es_api_key', id: 'key-1', name: 'filebeat' },
      },
      isAmbient: false,
      ownRoles: [],
    })
    assert.equal(identify(apiKey), identified)
    assert.deepEqual(sent, [apiKey])
  })

  test('a service account token gives the name of the account and of the token', async () => {
    const { identity, isAmbient } = await createFixture(tokenLogin).identify(serviceToken)
    assert.equal(identity.username, 'elastic/fleet-server')
    assert.deepEqual(identity.credential, { realm: '_service_account', name: 'agent' })
    assert.equal(isAmbient, false)
  })

  test('Basic is ambient, because browsers send it by themselves, and has the roles of Elasticsearch', async () => {
    const { isAmbient, ownRoles, identity } = await createFixture(nativeLogin('bob')).identify(basic('bob'))
    assert.equal(isAmbient, true)
    assert.deepEqual(ownRoles, ['editor'])
    assert.deepEqual(identity.credential, { realm: 'default_native' })
  })

  test('the scheme is case-insensitive', async () => {
    for (const scheme of ['apikey', 'APIKEY']) {
      const { identify } = createFixture(keyLogin)
      assert.equal((await identify(apiKey.replace('ApiKey', scheme))).identity.username, 'alice')
    }
    assert.equal((await createFixture(tokenLogin).identify(serviceToken.replace('Bearer', 'bEARER'))).isAmbient, false)
    assert.equal((await createFixture(nativeLogin('bob')).identify(basic('bob').replace('B', 'b'))).isAmbient, true)
  })

  test('neither the identity nor an error contains the secret', async () => {
    const identified = (await createFixture(keyLogin).identify(apiKey)) as RequestIdentity
    assert.ok(!JSON.stringify(identified).includes(base64('key-1:secret')))
    for (const authorization of [apiKey, serviceToken, basic('bob', 'p4ssw0rd'), `ApiKey ${'s3cret,'.repeat(5)}`]) {
      const { identify } = createFixture(undefined)
      const error = await errorOf(() => identify(authorization))
      for (const secret of [authorization.split(' ')[1]!, 'p4ssw0rd', 's3cret'])
        assert.ok(!`${error.message} ${error.stack}`.includes(secret))
    }
  })
})

describe('which credentials are sent to Elasticsearch', () => {
  for (const authorization of [
    'Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln',
    'Bearer AAEAAV',
    'Bearer aaeaawVsYXN0aWMv',
    'Bearer x AAEAAWVsYXN0aWMv',
    'Bearer 46ToAwMDaWRuazU0',
    'Bearer',
    'Negotiate AAEAAW',
    'Digest username="bob"',
    'ApiKeys YWJj',
    'ApiKey-2 YWJj',
    '',
  ]) {
    test(`"${authorization}" is not an Elasticsearch credential, and is never sent to Elasticsearch`, async () => {
      const { identify, sent } = createFixture(keyLogin)
      assert.equal(await codeOf(() => identify(authorization)), 'identity_missing')
      assert.deepEqual(sent, [])
    })
  }

  test('Basic is left to other providers unless elasticsearch_auth.basic is true', async () => {
    const { identify, sent } = createFixture(nativeLogin('bob'), { attempts: undefined })
    assert.equal(await codeOf(() => identify(basic('bob'))), 'identity_missing')
    assert.equal(await codeOf(() => identify('Basic !')), 'identity_missing')
    assert.deepEqual(sent, [])
  })

  for (const [what, authorization] of [
    ['an API key with two spaces', 'ApiKey  YWJj'],
    ['an API key after a tab', 'ApiKey\tYWJj'],
    ['an API key that is not Base64', 'ApiKey a,b'],
    ['an API key in two parts', 'ApiKey YWJj YWJj'],
    ['an API key followed by another scheme', 'ApiKey YWJj, Basic YWJj'],
    ['an API key without a value', 'ApiKey'],
    ['an API key of 5000 characters', `ApiKey ${'A'.repeat(5000)}`],
    ['a service account token with a comma', 'Bearer AAEAAWVs,YWJj'],
    ['a service account token after two spaces', 'Bearer  AAEAAWVs'],
    ['a service account token of 5000 characters', `Bearer AAEAAW${'A'.repeat(5000)}`],
    ['Basic that is not Base64', 'Basic ?'],
    ['Basic without a value', 'Basic '],
    ['Basic without a colon', `Basic ${base64('bob')}`],
    ['Basic without a username', `Basic ${base64(':password')}`],
    ['Basic with NUL', `Basic ${base64('bob\0:password')}`],
    ['Basic with a line break in the password', `Basic ${base64('bob:pass\r\nword')}`],
    ['Basic that is not UTF-8', `Basic ${Buffer.from('bob:p\xe4ss', 'latin1').toString('base64')}`],
    ['Basic of 1 MB', `Basic ${base64(`bob:${'p'.repeat(1024 * 1024)}`)}`],
  ] as const) {
    test(`${what} is rejected with 401 without a call to Elasticsearch`, async () => {
      const { identify, sent } = createFixture(keyLogin)
      assert.equal(await codeOf(() => identify(authorization)), 'credential_invalid')
      assert.deepEqual(sent, [])
    })
  }

  test('two Authorization headers are rejected with 400, whatever they contain', async () => {
    const { provider, sent } = createFixture(keyLogin)
    for (const values of [
      [apiKey, apiKey],
      [apiKey, 'Bearer x'],
      ['Bearer x', 'Bearer y'],
    ]) {
      const rawHeaders = values.flatMap((value, index) => [index === 0 ? 'Authorization' : 'AUTHORIZATION', value])
      assert.equal(await codeOf(() => provider(contextWith(rawHeaders))), 'identity_invalid')
    }
    assert.deepEqual(sent, [])
  })

  test('in auth-only mode a credential is accepted from trusted peers only', async () => {
    const { identify, sent } = createFixture(keyLogin, { requiresTrustedPeer: true })
    assert.equal(await codeOf(() => identify(apiKey, false)), 'peer_untrusted')
    assert.equal(await codeOf(() => identify('Bearer x', false)), 'identity_missing')
    assert.deepEqual(sent, [])
    assert.equal((await identify(apiKey)).identity.username, 'alice')
  })
})

describe('which clients are rejected', () => {
  test('a credential that Elasticsearch rejects is rejected with 401', async () => {
    assert.equal(await codeOf(() => createFixture(undefined).identify(apiKey)), 'credential_invalid')
  })

  test('a credential is rejected with 503 while Elasticsearch is down', async () => {
    const { identify } = createFixture('elasticsearch_unavailable')
    assert.equal(await codeOf(() => identify(apiKey)), 'elasticsearch_unavailable')
  })

  for (const type of ['anonymous', 'realm', 'token', 'internal']) {
    test(`an API key that Elasticsearch ignored, so that the authentication type is ${type}, is rejected`, async () => {
      const { identify } = createFixture({ ...keyLogin, type })
      assert.equal(await codeOf(() => identify(apiKey)), 'credential_invalid')
    })
  }

  for (const username of ['elastauth', 'ELASTAUTH']) {
    test(`the service account is rejected as ${username}, by password without a call to Elasticsearch, and by an API key`, async () => {
      const byPassword = createFixture(nativeLogin(username))
      assert.equal(await codeOf(() => byPassword.identify(basic(username))), 'user_reserved')
      assert.deepEqual(byPassword.sent, [])
      const byKey = createFixture({ ...keyLogin, username })
      assert.equal(await codeOf(() => byKey.identify(apiKey)), 'user_reserved')
    })
  }

  test('a login whose name Elasticsearch maps to the service account is rejected', async () => {
    const { identify } = createFixture(nativeLogin('elastauth'))
    assert.equal(await codeOf(() => identify(basic('elastauth@realm'))), 'user_reserved')
  })

  test("elastauth's own API key is rejected, and other keys of its owner are accepted", async () => {
    const own = createFixture({ ...keyLogin, key: { id: 'own-key', name: 'elastauth' } })
    assert.equal(await codeOf(() => own.identify(apiKey)), 'user_reserved')
    assert.equal((await createFixture(keyLogin).identify(apiKey)).identity.username, 'alice')
  })

  for (const username of ['elastic', 'kibana_system', 'Elastic', '_xpack']) {
    test(`the reserved user ${username} is rejected by password without a call to Elasticsearch`, async () => {
      const { identify, sent } = createFixture(nativeLogin(username, { _reserved: true }))
      assert.equal(await codeOf(() => identify(basic(username))), 'user_reserved')
      assert.deepEqual(sent, [])
    })
  }

  test('a user whom only Elasticsearch knows as reserved is rejected by password', async () => {
    const marked = createFixture(nativeLogin('new_system', { _reserved: true }))
    assert.equal(await codeOf(() => marked.identify(basic('new_system'))), 'user_reserved')
    const inRealm = createFixture({ ...nativeLogin('new_system'), realm: { name: 'reserved', type: 'reserved' } })
    assert.equal(await codeOf(() => inRealm.identify(basic('new_system'))), 'user_reserved')
  })

  test('a reserved user in elasticsearch_auth.allow_reserved is accepted by password, and no other spelling of the name', async () => {
    const allowReserved = ['elastic', 'elastauth']
    const { identify } = createFixture(nativeLogin('elastic', { _reserved: true }), { allowReserved })
    assert.equal((await identify(basic('elastic'))).identity.username, 'elastic')
    assert.equal(await codeOf(() => identify(basic('ELASTIC'))), 'user_reserved')
    assert.equal(await codeOf(() => identify(basic('elastauth'))), 'user_reserved')
  })

  test('the API key of a reserved user is accepted', async () => {
    const { identify } = createFixture({ ...keyLogin, username: 'elastic', metadata: { _reserved: true } })
    assert.equal((await identify(apiKey)).identity.username, 'elastic')
  })

  test('a managed user is rejected by password, and accepted by an API key', async () => {
    const metadata = { elastauth: { version: 1 } }
    const byPassword = createFixture(nativeLogin('bob', metadata))
    assert.equal(await codeOf(() => byPassword.identify(basic('bob'))), 'user_reserved')
    const byKey = createFixture({ ...keyLogin, metadata })
    assert.equal((await byKey.identify(apiKey)).identity.username, 'alice')
  })

  for (const username of ['', 'a\nb', 'x'.repeat(1025)]) {
    test(`an owner named ${JSON.stringify(username.slice(0, 10))} with ${username.length} characters is rejected`, async () => {
      const { identify } = createFixture({ ...keyLogin, username })
      assert.equal(await codeOf(() => identify(apiKey)), 'identity_invalid')
    })
  }
})

describe('guesses at the password of an Elasticsearch user', () => {
  function createBench(
    accounts: Readonly<Record<string, string>>,
    options: Partial<ElasticsearchProviderOptions> = {},
  ) {
    let now = 0
    const delays: number[] = []
    const reached: LimitReached[] = []
    const attempts = createAttemptLimits({
      shared: undefined,
      onLimitReached: (one) => reached.push(one),
      monotonicNow: () => now,
      sleep: async (milliseconds) => void delays.push(milliseconds),
    })
    const sent: string[] = []
    const provider = createFixture(undefined, {
      attempts,
      monotonicNow: () => now,
      async logIn(authorization) {
        sent.push(authorization)
        if (!authorization.startsWith('Basic')) return undefined
        const [name = '', password] = Buffer.from(authorization.slice(6), 'base64').toString().split(':')
        return accounts[name] === password ? nativeLogin(name) : undefined
      },
      ...options,
    }).provider
    const codeFrom = async (network: string, authorization: string) => {
      try {
        await provider(contextWith(['Authorization', authorization], true, network))
        return 'ok'
      } catch (error) {
        return asGatewayError(error).code
      }
    }
    const wait = (milliseconds: number) => {
      now += milliseconds
    }
    return { codeFrom, sent, delays, reached, wait }
  }

  test('five wrong passwords block the user from that network only, before Elasticsearch is asked', async () => {
    const { codeFrom, sent, reached } = createBench({ bob: 'right' })
    for (let i = 0; i < 5; i++)
      assert.equal(await codeFrom('203.0.113.1', basic('bob', `wrong${i}`)), 'credential_invalid')
    assert.equal(await codeFrom('203.0.113.1', basic('bob', 'right')), 'too_many_attempts')
    assert.equal(sent.length, 5)
    assert.deepEqual(reached, [{ reason: 'user_network', username: 'bob', network: '203.0.113.1' }])
    assert.equal(await codeFrom('203.0.113.2', basic('bob', 'right')), 'ok')
  })

  test('concurrent guesses do not all reach Elasticsearch', async () => {
    const { codeFrom, sent } = createBench({})
    await Promise.all(Array.from({ length: 100 }, (_, i) => codeFrom('203.0.113.1', basic('bob', `wrong${i}`))))
    assert.equal(sent.length, 5)
  })

  test('a remembered password is not found from a network that is blocked, nor from another one without being counted', async () => {
    const { codeFrom } = createBench({ bob: 'right' })
    assert.equal(await codeFrom('203.0.113.1', basic('bob', 'right')), 'ok')
    for (let i = 0; i < 5; i++) await codeFrom('203.0.113.9', basic('bob', `wrong${i}`))
    assert.equal(await codeFrom('203.0.113.9', basic('bob', 'right')), 'too_many_attempts')
    assert.equal(await codeFrom('203.0.113.1', basic('bob', 'right')), 'ok')
  })

  test('50 wrong passwords for any users block the network, and no API key or service account token', async () => {
    const { codeFrom, sent } = createBench({ bob: 'right' })
    for (let i = 0; i < 50; i++) await codeFrom('203.0.113.1', basic(`user${i}`, 'wrong'))
    assert.equal(await codeFrom('203.0.113.1', basic('bob', 'right')), 'too_many_attempts')
    for (let i = 0; i < 60; i++)
      assert.equal(await codeFrom('203.0.113.1', `ApiKey ${base64(`key-${i}:wrong`)}`), 'credential_invalid')
    assert.equal(await codeFrom('203.0.113.1', serviceToken), 'credential_invalid')
    assert.equal(sent.length, 50 + 61)
  })

  test('spellings that directories take for one name share a limit', async () => {
    const { codeFrom, sent } = createBench({})
    const spellings = ['bob', 'BOB', ' bob', 'bob  ', '\uff42ob', 'Bob']
    for (const name of spellings) await codeFrom('203.0.113.1', basic(name, 'wrong'))
    assert.equal(sent.length, 5)
  })

  test('invisible characters, accents and a sharp s, which directories ignore or expand, are no other name', async () => {
    for (const spellings of [
      ['bob', 'b\u00adob', 'bo\u200bb', '\ufeffbob', 'bob\ufe0f', 'b\u034fob', 'bo\u2060b'],
      ['jose', 'jos\u00e9', 'jose\u0301', 'JOSE\u0301', 'jos\u00e8', 'jo\u017fe'],
      ['strasse', 'stra\u00dfe', 'STRA\u1e9eE', 'STRASSE', 'stras\u017fe', 'Stra\u00dfe'],
    ]) {
      const { codeFrom, sent } = createBench({})
      for (const name of spellings) await codeFrom('203.0.113.1', basic(name, 'wrong'))
      assert.equal(sent.length, 5, spellings.join())
    }
  })

  test('the counters contain no long username, so that invented ones do not fill the memory', async () => {
    const { codeFrom, reached } = createBench({})
    const [long, longer] = ['x'.repeat(2500), '\ufdfa'.repeat(800)]
    for (const name of [long, longer])
      for (let i = 0; i < 6; i++) await codeFrom('203.0.113.1', basic(name, `wrong${i}`))
    assert.equal(await codeFrom('203.0.113.1', basic(`${long}x`, 'wrong')), 'credential_invalid')
    assert.equal(reached.length, 2)
    assert.ok(reached.every(({ username = '' }) => username.length <= 64))
  })

  test('a password that was right before is verified again without being counted, and is counted after it was rejected', async () => {
    const accounts: Record<string, string> = { bob: 'right' }
    const { codeFrom, delays, wait } = createBench(accounts)
    assert.equal(await codeFrom('203.0.113.1', basic('bob', 'right')), 'ok')
    for (let i = 0; i < 25; i++) await codeFrom(`198.51.100.${i}`, basic('bob', 'wrong'))
    assert.equal(delays.length, 5)
    for (let i = 0; i < 10; i++) {
      wait(60_000)
      assert.equal(await codeFrom('203.0.113.1', basic('bob', 'right')), 'ok')
    }
    assert.equal(delays.length, 5)
    accounts.bob = 'changed'
    for (let i = 0; i < 6; i++) {
      wait(60_000 - 49_000 * Math.sign(i))
      assert.equal(await codeFrom('203.0.113.1', basic('bob', 'right')), 'credential_invalid')
    }
    wait(11_000)
    assert.equal(await codeFrom('203.0.113.1', basic('bob', 'right')), 'too_many_attempts')
  })

  test('a user signs in from a network that the user has signed in from, while delayed guesses from elsewhere take all of their places', async () => {
    const attempts = await createDelayedGuesses(monotonicNow)
    const { codeFrom } = createBench({ bob: 'right' }, { attempts })
    const guess = (i: number) => codeFrom(`192.0.${Math.floor(i / 200)}.${i % 200}`, basic('invented', `guess ${i}`))
    for (let i = 0; i < 256; i++) void guess(i)
    assert.equal(await guess(256), 'overloaded')
    assert.equal(await codeFrom('203.0.113.1', basic('bob', 'right')), 'ok')
  })

  for (const [what, options, code] of [
    [
      'while Elasticsearch is down',
      { logIn: async () => Promise.reject(new GatewayError('elasticsearch_unavailable', 'down')) },
      'elasticsearch_unavailable',
    ],
    ['at a user that elastauth manages', { logIn: async () => nativeLogin('bob', { elastauth: {} }) }, 'user_reserved'],
  ] as const) {
    test(`an attempt ${what} does not count`, async () => {
      const { codeFrom } = createBench({}, options)
      for (let i = 0; i < 60; i++) assert.equal(await codeFrom('203.0.113.1', basic('bob', `p${i}`)), code)
    })
  }
})
