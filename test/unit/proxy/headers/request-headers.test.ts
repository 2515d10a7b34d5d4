import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createPrivateCookies } from '../../../../src/proxy/headers/cookies.ts'
import { createBuildUpstreamHeaders, type HeaderContext } from '../../../../src/proxy/headers/request-headers.ts'

const build = createBuildUpstreamHeaders({
  headers: ['Remote-User', 'Remote-Groups', 'X-Elastauth-Proxy-Secret'],
  cookies: createPrivateCookies([]),
})
const untrusted: HeaderContext = {
  remoteAddress: '203.0.113.7',
  isEncrypted: false,
  isTrusted: false,
  authorization: 'Basic b3Vycw==',
  routeHeaders: [],
}
const trusted = { ...untrusted, remoteAddress: '10.0.0.1', isTrusted: true }
const host = ['Host', 'es.example.com:9200']

const ours = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'forwarded'])
/** Pairs without what we add to each request. */
function kept(rawHeaders: string[], context: HeaderContext = untrusted): string[] {
  const built = build([...host, ...rawHeaders], context)
  const isKept = (i: number) => ![...ours, 'authorization', 'host'].includes(built[i - (i % 2)]!.toLowerCase())
  return built.filter((_, i) => isKept(i))
}
/** All values of one header. */
function valuesOf(name: string, rawHeaders: string[], context: HeaderContext = untrusted): string[] {
  const built = build([...host, ...rawHeaders], context)
  return built.filter((_, i) => i % 2 === 1 && built[i - 1]!.toLowerCase() === name)
}

describe('never reaches an upstream, whoever sends it', () => {
  const names = [
    'Remote-User',
    'remote-user',
    'Remote_User',
    'Remote.User',
    'REMOTE_GROUPS',
    'X-Elastauth-Proxy-Secret',
    'X_Elastauth_Proxy_Secret',
    'es-security-runas-user',
    'Es_Security_Runas_User',
    'es-secondary-authorization',
    'ES.Secondary.Authorization',
    'es-secondary-x-client-authentication',
    'x-elastic-internal-origin',
    'X-Original-URL',
    'X_Original_URL',
    'X-Original-Method',
    'X-Rewrite-URL',
    'X-Auth-Request-Access-Token',
    'X-Forwarded-Access-Token',
    'X-Authentik-Jwt',
    'X-Pomerium-Jwt-Assertion',
    'Cf-Access-Jwt-Assertion',
    'X-Goog-IAP-JWT-Assertion',
    'X-Amzn-Oidc-Data',
    'X-Amzn-Oidc-Accesstoken',
    'Proxy-Authorization',
    'Proxy-Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'HTTP2-Settings',
    'Expect',
    'X_Forwarded_For',
    'X.Forwarded.Host',
    'Transfer_Encoding',
  ]
  for (const name of names) {
    test(name, () => {
      assert.deepEqual(kept([name, 'x']), [])
      assert.deepEqual(kept([name, 'x'], trusted), [])
    })
  }
})

test('Kibana 9’s pages keep the mark that its internal routes want; nobody else may send it', () => {
  const page = ['x-elastic-internal-origin', 'Kibana', 'kbn-version', '9.2.0']
  assert.deepEqual(kept(page).toSorted(), page.toSorted())
  assert.deepEqual(kept(['X_Elastic_Internal_Origin', 'Kibana', 'kbn-version', '9.2.0']), ['kbn-version', '9.2.0'])
  assert.deepEqual(kept(['x-elastic-internal-origin', 'Kibana', 'kbn_version', '9.2.0']), [])
})

describe('is kept, byte by byte', () => {
  const rows: [name: string, value: string][] = [
    ['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
    ['X-Opaque-Id', 'task 7'],
    ['kbn-xsrf', 'true'],
    ['Content-Type', 'application/vnd.elasticsearch+json; compatible-with=8'],
    ['Content-Length', '17'],
    ['Content-Encoding', 'gzip'],
    ['Accept-Encoding', 'gzip, br, zstd'],
    ['X-Odd', 'caf\xc3\xa9'],
    ['x-empty', ''],
  ]
  for (const [name, value] of rows) test(name, () => assert.deepEqual(kept([name, value]), [name, value]))

  test('a doubled header', () => assert.deepEqual(kept(['X-A', '1', 'X-A', '2']), ['X-A', '1', 'X-A', '2']))
  test('the Host', () => assert.deepEqual(valuesOf('host', []), ['es.example.com:9200']))
})

describe('Authorization', () => {
  const theirs = ['Authorization', 'Basic ZWxhc3RpYzp4', 'AUTHORIZATION', 'Bearer x', 'authorization', 'ApiKey x']

  test('is ours, once, whatever the client sends', () => {
    assert.deepEqual(valuesOf('authorization', theirs), ['Basic b3Vycw=='])
  })

  test('is nobody’s on a route without a login', () => {
    assert.deepEqual(valuesOf('authorization', theirs, { ...untrusted, authorization: undefined }), [])
  })

  test('is not to be removed through Connection', () => {
    assert.deepEqual(valuesOf('authorization', ['Connection', 'close, Authorization']), ['Basic b3Vycw=='])
  })
})

describe('what Connection names is for us alone', () => {
  test('whatever its case', () => {
    assert.deepEqual(kept(['Connection', 'close , x-A', 'X-a', '1', 'X-B', '2']), ['X-B', '2'])
  })

  test('in several lines', () => {
    assert.deepEqual(kept(['Connection', 'X-A', 'X-A', '1', 'Connection', 'X-B', 'X-B', '2']), [])
  })

  test('but not the length of a body, nor the Host', () => {
    const headers = ['Connection', 'content-length, host', 'Content-Length', '5']
    assert.deepEqual(kept(headers), ['Content-Length', '5'])
    assert.deepEqual(valuesOf('host', headers), ['es.example.com:9200'])
  })
})

describe('cookies', () => {
  const rows: [sent: string, expected: string[]][] = [
    ['sid=1; theme=dark', ['Cookie', 'sid=1; theme=dark']],
    ['__Host-elastauth=s', []],
    ['sid=1; __Host-elastauth_session=s; theme=dark', ['Cookie', 'sid=1; theme=dark']],
    ['__Host-elastauth.0=a;__host-ELASTAUTH.1=b; sid=1', ['Cookie', 'sid=1']],
    ['__Secure-elastauth=s; sid=elastauth', ['Cookie', 'sid=elastauth']],
  ]
  for (const [sent, expected] of rows) test(sent, () => assert.deepEqual(kept(['Cookie', sent]), expected))

  const tokens: [sent: string, expected: string | undefined][] = [
    ['sid=1; access_token=t; id_token=t', 'sid=1'],
    ['access_token =t; my_access_token=x', 'my_access_token=x'],
    ['ACCESS_TOKEN=t', undefined],
    ['access_tokens=x; a=access_token', 'access_tokens=x; a=access_token'],
  ]
  const withTokens = createBuildUpstreamHeaders({
    headers: [],
    cookies: createPrivateCookies(['access_token', 'id_token']),
  })
  for (const [sent, expected] of tokens) {
    test(`${sent}, where those cookies hold a token`, () => {
      const built = withTokens([...host, 'Cookie', sent], untrusted)
      const at = built.indexOf('Cookie')
      assert.equal(at === -1 ? undefined : built[at + 1], expected)
    })
  }

  test('and pass where they hold none', () => {
    assert.deepEqual(kept(['Cookie', 'access_token=x']), ['Cookie', 'access_token=x'])
  })
})

describe('where a request comes from', () => {
  const said = [
    ...['X-Forwarded-For', '198.51.100.1', 'x-forwarded-for', '198.51.100.2', 'X-Forwarded-Proto', 'https'],
    ...['X-Forwarded-Host', 'kibana.example.com', 'X-Forwarded-Port', '8443', 'Forwarded', 'for=198.51.100.1'],
  ]
  const values = (context: HeaderContext, raw = said) =>
    Object.fromEntries([...ours].map((name) => [name, valuesOf(name, raw, context)]))

  test('is what the socket says when nobody trusted says else', () => {
    assert.deepEqual(values(untrusted), {
      'x-forwarded-for': ['203.0.113.7'],
      'x-forwarded-proto': ['http'],
      'x-forwarded-host': ['es.example.com:9200'],
      'x-forwarded-port': ['9200'],
      forwarded: ['for=203.0.113.7;host="es.example.com:9200";proto=http'],
    })
  })

  test('is a trusted proxy’s word, with the proxy itself added to the chain', () => {
    assert.deepEqual(values(trusted), {
      'x-forwarded-for': ['198.51.100.1, 198.51.100.2, 10.0.0.1'],
      'x-forwarded-proto': ['https'],
      'x-forwarded-host': ['kibana.example.com'],
      'x-forwarded-port': ['8443'],
      forwarded: ['for=198.51.100.1, for=10.0.0.1;host="es.example.com:9200";proto=http'],
    })
  })

  test('of an IPv6 client is bracketed in Forwarded, of a mapped IPv4 client is IPv4', () => {
    assert.match(
      valuesOf('forwarded', [], { ...untrusted, remoteAddress: '2001:db8::7' })[0]!,
      /^for="\[2001:db8::7\]";/,
    )
    assert.deepEqual(valuesOf('x-forwarded-for', [], { ...untrusted, remoteAddress: '::ffff:203.0.113.7' }), [
      '203.0.113.7',
    ])
  })

  test('is https, port 443, on an encrypted connection without a port', () => {
    const built = build(['Host', 'es'], { ...untrusted, isEncrypted: true })
    assert.equal(built[built.indexOf('X-Forwarded-Proto') + 1], 'https')
    assert.equal(built[built.indexOf('X-Forwarded-Port') + 1], '443')
  })

  for (const name of ['X-Real-IP', 'X-Forwarded-Prefix', 'X-Forwarded-Anything']) {
    test(`${name} is a proxy’s to say`, () => {
      assert.deepEqual(kept([name, 'x']), [])
      assert.deepEqual(kept([name, 'x'], trusted), [name, 'x'])
    })
  }
})

describe('a route’s own headers', () => {
  test('win over the client’s, in any spelling', () => {
    const context = { ...untrusted, routeHeaders: ['X-Scope-OrgID', 'us', 'Host', 'inner'] }
    assert.deepEqual(kept(['x-scope-orgid', 'them', 'X_Scope_OrgID', 'them'], context), ['X-Scope-OrgID', 'us'])
    assert.deepEqual(valuesOf('host', [], context), ['inner'])
    assert.deepEqual(valuesOf('x-forwarded-host', [], context), ['es.example.com:9200'])
  })
})

test('names made up by clients are judged rightly beyond those remembered', () => {
  for (let i = 0; i < 2000; i++) assert.deepEqual(kept([`X-Made-Up-${i}`, 'x']), [`X-Made-Up-${i}`, 'x'])
  assert.deepEqual(kept(['ReMoTe_uSeR', 'elastic']), [])
})
