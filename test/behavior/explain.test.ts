import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { authorize, testKey } from '../support/gateway.ts'
import { runElastauth, runWithoutReader } from './elastauth-command.ts'
import { createFixture, serviceAccount } from './fixture.ts'
import { createProviderFor } from './oidc-gateway.ts'

const { start, elasticsearch, elasticsearchUrl } = await createFixture({
  accounts: {
    native: { password: 'changeme' },
    foreign: { password: 'changeme' },
    disabled: { password: 'changeme', enabled: false },
  },
})
const directory = mkdtempSync(join(tmpdir(), 'elastauth-explain-'))
after(() => rmSync(directory, { recursive: true }))

const secret = 'a-shared-secret-of-32-characters'
const mappings = { 'dev*': ['dev', '{group}-reader'], admins: ['superuser'] }
const env = {
  ELASTAUTH_SECRET_KEY: testKey,
  ELASTAUTH_ELASTICSEARCH_HOSTS: elasticsearchUrl,
  ELASTAUTH_GROUP_MAPPINGS: JSON.stringify(mappings),
  ...serviceAccount,
}

const explain = (args: readonly string[], more: Record<string, string> = {}, input?: string) =>
  runElastauth(['explain', ...args], { ...env, ...more }, input)

/** The JSON document of an explanation. */
async function explainAsJson(args: readonly string[], more: Record<string, string> = {}, input?: string) {
  const { code, stdout, stderr } = await explain([...args, '--json'], more, input)
  assert.equal(stderr, '')
  return { code, explanation: JSON.parse(stdout) }
}

const alice = ['--header', 'Remote-User: alice', '--header', 'Remote-Groups: devs']

/** A token with these claims and a worthless signature. */
function tokenOf(claims: object): string {
  return [{ alg: 'RS256' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .concat('x')
    .join('.')
}

describe('explain without --connect', () => {
  test('exits as without a pipe if the reader of its output ends early', async () => {
    for (const [header, code] of [
      ['Remote-Groups: devs', 0],
      ['Remote-Groups: others', 1],
    ] as const) {
      const args = ['explain', '--header', 'Remote-User: alice', '--header', header]
      assert.deepEqual(await runWithoutReader(args, env, 'start'), { code, signal: null, stderr: '' })
    }
  })

  test('names every step of an allowed request, and exits with 0 without a call to Elasticsearch', async () => {
    const calls = elasticsearch.calls.length
    const { code, stdout, stderr } = await explain([...alice, '--path', '/app', '--host', 'kibana.example.com'])
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(
      stdout,
      [
        'mode           auth-only',
        'request        GET /app, host kibana.example.com',
        'trust          yes: 127.0.0.1 matches loopback in trusted_proxies, and no proxy_secret is configured',
        'provider       authelia: found alice',
        'identity       alice, groups ["devs"]',
        'grant          dev from group devs by group_mappings dev*',
        'grant          devs-reader from group devs by group_mappings dev*',
        'roles          dev, devs-reader',
        'CSRF           passed',
        'access rules   none',
        'elasticsearch  would read the user alice and decide; --connect reads it',
        'response       200 with Authorization, Content-Type, Content-Length, Cache-Control, Date, Connection, Keep-Alive',
        'result         allowed',
        '',
      ].join('\n'),
    )
    assert.equal(elasticsearch.calls.length, calls)
  })

  test('names the check that denies a request, and exits with 1', async () => {
    const cases: [args: string[], error: string, detail: RegExp][] = [
      [[...alice, '--from', '203.0.113.7'], 'peer_untrusted', /from 203\.0\.113\.7, which is not in trusted_proxies/],
      [[...alice, '--header', 'Remote-User: bob'], 'identity_invalid', /duplicate username header/],
      [['--header', 'Remote-User: bob', '--header', 'Remote-Groups: x'], 'no_roles', /the user's groups: "x"/],
      [[...alice, '--method', 'POST', '--header', 'Origin: https://evil.test'], 'cross_site', /another site/],
      [['--header', 'Remote-User: kibana_system'], 'user_reserved', /reserved for Elasticsearch/],
      [[], 'identity_missing', /missing authentication headers/],
    ]
    const results = await Promise.all(cases.map(([args]) => explainAsJson(args)))
    for (const [index, [, error, detail]] of cases.entries()) {
      const { code, explanation } = results[index]!
      assert.deepEqual([code, explanation.result, explanation.response.error], [1, 'denied', error])
      assert.match(explanation.response.detail, detail)
    }
  })

  test('explain adds the configured proxy_secret as the proxy does, unless the request has another one, and neither prints it nor accepts it as an argument', async () => {
    const more = { ELASTAUTH_PROXY_SECRET: secret }
    const [right, wrong] = await Promise.all([
      explain(alice, more),
      explain([...alice, '--header', 'X-Elastauth-Proxy-Secret: wrong'], more),
    ])
    assert.equal(right.code, 0)
    assert.match(right.stdout, /trust +yes: .*, and the request has the proxy_secret/)
    assert.equal(wrong.code, 1)
    assert.match(wrong.stdout, /trust +no: with a wrong proxy_secret/)
    const given = await explain([...alice, '--header', `x-elastauth-proxy-secret: ${secret}`], more)
    assert.equal(given.code, 2)
    assert.match(given.stderr, /is the proxy_secret, and every user of this machine can read arguments: leave it out/)
    assert.ok(![right, wrong, given].some(({ stdout, stderr }) => `${stdout}${stderr}`.includes(secret)))
  })

  test('shows the claims of a token as not verified', async () => {
    const more = {
      ELASTAUTH_AUTH_PROVIDER: 'oidc',
      ELASTAUTH_OIDC_ISSUER: 'https://idp.example.com',
      ELASTAUTH_OIDC_CLIENT_ID: 'elastauth',
      ELASTAUTH_OIDC_CLIENT_SECRET: 'a-client-secret',
    }
    const file = join(directory, 'token')
    const token = tokenOf({ preferred_username: 'alice', groups: ['devs'], iss: 'https://other', aud: 'x', exp: 1 })
    writeFileSync(file, `${token}\n`)
    const { code, stdout } = await explain(['--token', file], more)
    assert.equal(code, 0)
    assert.match(
      stdout,
      /provider +oidc: found alice \(NOT VERIFIED: .*iss "https:\/\/other", aud "x", exp 1970-01-01T00:00:01/,
    )
    assert.match(stdout, /CSRF +not needed/)
    assert.ok(!stdout.includes(token))
    const { explanation } = await explainAsJson(['--token', '-'], more, token)
    assert.equal(explanation.providers[0].unverified.iss, 'https://other')
    assert.deepEqual(explanation.roles.roles, ['dev', 'devs-reader'])
  })

  test('redirects a navigation without an identity to the sign-in, and exits with 1', async () => {
    const more = {
      ELASTAUTH_AUTH_PROVIDER: 'oidc',
      ELASTAUTH_OIDC_ISSUER: 'https://idp.example.com',
      ELASTAUTH_OIDC_CLIENT_ID: 'elastauth',
      ELASTAUTH_OIDC_CLIENT_SECRET: 'a-client-secret',
    }
    const { code, explanation } = await explainAsJson(['--path', '/app', '--header', 'Accept: text/html'], more)
    assert.equal(code, 1)
    assert.equal(explanation.response.status, 302)
    assert.ok(explanation.response.headers.includes('Location'))
  })

  test('names the route and the upstream in proxy mode, and requests neither', async () => {
    const more = {
      ELASTAUTH_PROXY_ENABLED: 'true',
      ELASTAUTH_PROXY_ROUTES: JSON.stringify([
        { path: '/named', upstreams: ['http://127.0.0.1:1'], credential: 'none', identity_headers: true },
        { upstreams: ['http://127.0.0.1:2'] },
      ]),
    }
    const { code, explanation } = await explainAsJson([...alice, '--path', '/named/x'], more)
    assert.equal(code, 0)
    assert.deepEqual(explanation.forward, {
      upstream: 'http://127.0.0.1:1',
      path: '/named/x',
      route: { host: null, path: '/named', auth: 'required' },
      authorization: 'none',
      identity_headers: true,
    })
    assert.equal(explanation.elasticsearch, null)
    assert.equal(explanation.response.status, null)
  })

  test('explains a user of users by name, without a request', async () => {
    const hash = `$argon2id$v=19$m=8,t=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
    const more = {
      ELASTAUTH_AUTH_PROVIDER: 'users',
      ELASTAUTH_USERS_INLINE: JSON.stringify({ bob: { password_hash: hash, groups: ['admins'] } }),
    }
    const { code, explanation } = await explainAsJson(['--user', 'bob'], more)
    assert.equal(code, 0)
    assert.deepEqual(explanation.roles.grants, [{ role: 'superuser', group: 'admins', mapping: 'admins', valid: true }])
    assert.equal(explanation.trust, null)
  })

  test('escapes control characters of the request, which a terminal would interpret', async () => {
    const { stdout } = await explain(['--header', 'Remote-User: alice', '--header', 'Remote-Groups: devs\u009b31m'])
    assert.ok(!stdout.includes('\u009b'))
  })

  test('escapes control characters in JSON too, in the claims of a token that another person has written', async () => {
    const more = {
      ...{ ELASTAUTH_AUTH_PROVIDER: 'oidc', ELASTAUTH_OIDC_ISSUER: 'https://idp.example.com' },
      ...{ ELASTAUTH_OIDC_CLIENT_ID: 'elastauth', ELASTAUTH_OIDC_CLIENT_SECRET: 'a-client-secret' },
    }
    const claims = { preferred_username: 'alice', groups: ['devs\u009b31m'], iss: 'x\u009b31m\u007f', exp: 1 }
    const { stdout } = await explain(['--token', '-', '--json'], more, tokenOf(claims))
    assert.doesNotMatch(stdout, /[\u007f-\u009f]/)
    assert.equal(JSON.parse(stdout).providers[0].unverified.iss, claims.iss)
  })
})

describe('explain --connect', () => {
  test('shows what would be written to Elasticsearch, and writes nothing', async () => {
    const calls = elasticsearch.calls.length
    const { code, explanation } = await explainAsJson([...alice, '--connect'])
    assert.equal(code, 0)
    const { exists, decision, reason, changes } = explanation.elasticsearch
    assert.deepEqual([exists, decision, reason], [false, 'write', 'created'])
    assert.deepEqual(changes.slice(0, 2), [
      { field: 'roles', from: null, to: ['dev', 'devs-reader'] },
      { field: 'metadata.groups', from: null, to: ['devs'] },
    ])
    assert.match(changes[2].to, /^version 1 of /)
    assert.equal(elasticsearch.users.has('alice'), false)
    const methods = elasticsearch.calls.slice(calls).map(({ method, path }) => `${method} ${path}`)
    assert.deepEqual(methods, ['GET /_security/user/alice'])
  })

  test('shows that a stored user matches, which roles would change, and that a denied user would lose them', async () => {
    const gateway = await start({ env })
    assert.equal((await authorize(gateway, 'carol', 'devs')).status, 200)
    await gateway.stop()
    const carol = (groups: string) => [
      '--header',
      'Remote-User: carol',
      '--header',
      `Remote-Groups: ${groups}`,
      '--connect',
    ]
    const [same, stored, denied] = await Promise.all([
      explainAsJson(carol('devs')),
      explainAsJson(['--user', 'carol', '--connect'], { ELASTAUTH_GROUP_MAPPINGS: '{"devs":["other"]}' }),
      explainAsJson(carol('others')),
    ])
    assert.equal(same.explanation.elasticsearch.decision, 'adopt')
    assert.deepEqual(stored.explanation.identity.groups, ['devs'])
    assert.deepEqual(stored.explanation.roles.roles, ['other'])
    assert.equal(denied.code, 1)
    assert.deepEqual(denied.explanation.elasticsearch.changes.slice(0, 1), [
      { field: 'roles', from: ['dev', 'devs-reader'], to: [] },
    ])
    assert.deepEqual(elasticsearch.users.get('carol')!.roles.toSorted(), ['dev', 'devs-reader'])
  })

  test('exits with 1 if elastauth would reject the stored user, and names why', async () => {
    for (const [name, error] of [
      ['foreign', 'user_foreign'],
      ['disabled', 'user_disabled'],
    ] as const) {
      const args = ['--header', `Remote-User: ${name}`, '--header', 'Remote-Groups: devs', '--connect']
      const { code, explanation } = await explainAsJson(args)
      assert.deepEqual([code, explanation.response.error], [1, error])
      assert.equal(explanation.elasticsearch.decision, 'reject')
    }
  })

  test('verifies tokens at the provider, and Elasticsearch credentials at Elasticsearch', async () => {
    const idp = await createProviderFor({ accessTokens: 'jwt' })
    const more = {
      ELASTAUTH_AUTH_PROVIDERS: 'oidc,elasticsearch',
      ELASTAUTH_ELASTICSEARCH_AUTH_BASIC: 'true',
      ELASTAUTH_OIDC_ISSUER: idp.issuer,
      ELASTAUTH_OIDC_CLIENT_ID: idp.clientId,
      ELASTAUTH_OIDC_CLIENT_SECRET: idp.clientSecret,
    }
    const { access_token: token } = await idp.tokensFor('alice')
    const args = ['--token', '-', '--connect']
    const [valid, forged, basic] = await Promise.all([
      explainAsJson(args, more, token),
      explainAsJson(args, more, tokenOf({ sub: 'alice', iss: idp.issuer, aud: idp.clientId })),
      explainAsJson(args, more, `Basic ${Buffer.from('native:changeme').toString('base64')}`),
    ])
    assert.deepEqual([valid.code, valid.explanation.identity.groups], [0, ['admins', 'staff']])
    assert.deepEqual([forged.code, forged.explanation.response.error], [1, 'token_invalid'])
    assert.deepEqual([basic.code, basic.explanation.identity.username], [0, 'native'])
    assert.equal(basic.explanation.elasticsearch, null)
  })

  test('exits with 2 if Elasticsearch does not respond', async () => {
    const more = { ELASTAUTH_ELASTICSEARCH_HOSTS: 'http://127.0.0.1:1' }
    const { code, explanation } = await explainAsJson([...alice, '--connect'], more)
    assert.deepEqual([code, explanation.result, explanation.response.error], [2, 'failed', 'elasticsearch_unavailable'])
  })
})

test('explain exits with 2 and says what to do for each wrong option, and does not repeat a secret', async () => {
  const cases: [args: string[], message: RegExp][] = [
    [['--header', 'Authorization: Bearer s3cret'], /use --token FILE/],
    [['--header', 'Cookie: s3cret'], /sessions cannot be explained/],
    [['--header', 'no colon'], /--header is not a header/],
    [['--header', 'a: b\r\nRemote-User: c'], /--header is not a header/],
    [['--from', 'proxy'], /--from is not an IP address/],
    [['--method', 'get'], /--method is not a method/],
    [['--path', 'app'], /--path does not begin with \//],
    [['--path', '/elastauth/whoami'], /own endpoints/],
    [['--host', 'a b'], /--host is not a host/],
    [['--token', '/does/not/exist'], /--token \/does\/not\/exist cannot be read \(ENOENT\)/],
    [['--user', 'a', '--token', '-'], /two identities/],
    [['--user', 'a'], /add --connect/],
    [['--user', 'others', '--connect'], /has no user others/],
    [['extra'], /takes no arguments/],
    [['--listen', 'x'], /listen/],
    [['--frm', '::1'], /did you mean `--from`/],
  ]
  const results = await Promise.all(cases.map(([args]) => explain(args)))
  for (const [index, [args, message]] of cases.entries()) {
    const { code, stderr, stdout } = results[index]!
    assert.deepEqual([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, message)
    assert.ok(!stderr.includes('s3cret'))
  }
})
