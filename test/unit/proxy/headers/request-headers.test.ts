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
  requestId: 'id-7',
  isEncrypted: false,
  isTrusted: false,
  authorization: 'Basic b3Vycw==',
  routeHeaders: [],
}
const trusted = { ...untrusted, remoteAddress: '10.0.0.1', isTrusted: true }
const host = ['Host', 'es.example.com:9200']

const addedNames = new Set([
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'forwarded',
])
/** The upstream headers without those that are added to each request. */
function kept(rawHeaders: string[], context: HeaderContext = untrusted): string[] {
  const built = build([...host, ...rawHeaders], context)
  const isKept = (i: number) => ![...addedNames, 'authorization', 'host'].includes(built[i - (i % 2)]!.toLowerCase())
  const isAddedId = (i: number) => built[i - (i % 2)] === 'X-Opaque-Id' && built[i - (i % 2) + 1] === context.requestId
  return built.filter((_, i) => isKept(i) && !isAddedId(i))
}
/** All values of one upstream header. */
function valuesOf(name: string, rawHeaders: string[], context: HeaderContext = untrusted): string[] {
  const built = build([...host, ...rawHeaders], context)
  return built.filter((_, i) => i % 2 === 1 && built[i - 1]!.toLowerCase() === name)
}

describe('a header that is never forwarded, not even from a trusted proxy', () => {
  const names = [
    'Remote-User',
    'remote-user',
    'Remote_User',
    'Remote.User',
    'Remote~User',
    'Remote!User',
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
    test(`never forwards ${name}, not even from a trusted proxy`, () => {
      assert.deepEqual(kept([name, 'x']), [])
      assert.deepEqual(kept([name, 'x'], trusted), [])
    })
  }
})

test('forwards x-elastic-internal-origin only together with kbn-version, as the pages of Kibana 9 send them', () => {
  const page = ['x-elastic-internal-origin', 'Kibana', 'kbn-version', '9.2.0']
  assert.deepEqual(kept(page).toSorted(), page.toSorted())
  assert.deepEqual(kept(['X_Elastic_Internal_Origin', 'Kibana', 'kbn-version', '9.2.0']), ['kbn-version', '9.2.0'])
  assert.deepEqual(kept(['x-elastic-internal-origin', 'Kibana', 'kbn_version', '9.2.0']), [])
})

describe('a header that is forwarded unchanged', () => {
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
  for (const [name, value] of rows)
    test(`forwards ${name} unchanged`, () => assert.deepEqual(kept([name, value]), [name, value]))

  test('forwards duplicates of a header', () =>
    assert.deepEqual(kept(['X-A', '1', 'X-A', '2']), ['X-A', '1', 'X-A', '2']))
  test('forwards the Host header', () => assert.deepEqual(valuesOf('host', []), ['es.example.com:9200']))
})

describe('the ids of a request', () => {
  const traceparent = ['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01']

  test('sends the id of the request as X-Opaque-Id if the client sends none', () => {
    assert.deepEqual(valuesOf('x-opaque-id', []), ['id-7'])
  })

  test("sends the client's X-Opaque-Id, even an empty one, instead of the id of the request", () => {
    assert.deepEqual(valuesOf('x-opaque-id', ['x-opaque-id', 'my task']), ['my task'])
    assert.deepEqual(valuesOf('x-opaque-id', ['x-opaque-id', '']), [''])
  })

  test('sends the id of the request if the client sends several X-Opaque-Id, another spelling, or names it in Connection', () => {
    assert.deepEqual(valuesOf('x-opaque-id', ['X-Opaque-Id', 'a', 'x-opaque-id', 'a']), ['id-7'])
    assert.deepEqual(valuesOf('x-opaque-id', ['X-Opaque-Id', 'a', 'x-opaque-id', 'b', 'x-opaque-id', 'c']), ['id-7'])
    assert.deepEqual(valuesOf('x_opaque_id', ['X_Opaque_Id', 'a']), [])
    assert.deepEqual(valuesOf('x-opaque-id', ['Connection', 'x-opaque-id', 'X-Opaque-Id', 'a']), ['id-7'])
  })

  test("sends a route's own X-Opaque-Id instead of the client's and of the id of the request", () => {
    const context = { ...untrusted, routeHeaders: ['x-opaque-id', 'kibana'] }
    assert.deepEqual(valuesOf('x-opaque-id', ['X-Opaque-Id', 'a'], context), ['kibana'])
    assert.deepEqual(valuesOf('x-opaque-id', [], context), ['kibana'])
  })

  test('forwards a single valid X-Request-Id', () => {
    assert.deepEqual(kept(['x-request-id', 'A.b_c-1']), ['X-Request-Id', 'A.b_c-1'])
    assert.deepEqual(kept(['X-Request-ID', 'a'.repeat(64)]), ['X-Request-Id', 'a'.repeat(64)])
  })

  for (const [what, headers] of Object.entries({
    'with other characters': ['X-Request-Id', 'a b'],
    'that is too long': ['X-Request-Id', 'a'.repeat(65)],
    'that is empty': ['X-Request-Id', ''],
    'beside another one': ['X-Request-Id', 'a', 'x-request-id', 'b'],
    'beside an equal one': ['X-Request-Id', 'a', 'X-Request-Id', 'a'],
    'in another spelling': ['X_Request_Id', 'a'],
  })) {
    test(`does not forward an X-Request-Id ${what}`, () => assert.deepEqual(kept(headers, trusted), []))
  }

  test('forwards tracestate together with a valid traceparent', () => {
    const states = ['tracestate', 'a=1', 'tracestate', 'b=2']
    assert.deepEqual(kept([...states, ...traceparent]), [...traceparent, 'tracestate', 'a=1, b=2'])
  })

  for (const [what, headers] of Object.entries({
    'without a traceparent': [],
    'with an invalid traceparent': ['traceparent', traceparent[1]!.toUpperCase()],
    'with two equal traceparents': [...traceparent, ...traceparent],
  })) {
    test(`does not forward a tracestate ${what}, nor that traceparent`, () => {
      assert.deepEqual(kept([...headers, 'tracestate', 'a=1'], trusted), [])
    })
  }
})

describe('the Authorization header of an upstream request', () => {
  const clientHeaders = [
    'Authorization',
    'Basic ZWxhc3RpYzp4',
    'AUTHORIZATION',
    'Bearer x',
    'authorization',
    'ApiKey x',
  ]

  test('sends one Authorization header with the credential of elastauth, whatever the client sends', () => {
    assert.deepEqual(valuesOf('authorization', clientHeaders), ['Basic b3Vycw=='])
  })

  test('sends no Authorization header on a route with auth: none, whatever the client sends', () => {
    assert.deepEqual(valuesOf('authorization', clientHeaders, { ...untrusted, authorization: undefined }), [])
  })

  test('sends Authorization even if Connection names it', () => {
    assert.deepEqual(valuesOf('authorization', ['Connection', 'close, Authorization']), ['Basic b3Vycw=='])
  })
})

describe('a hop-by-hop header that Connection names', () => {
  test('strips the headers that Connection names, in any case', () => {
    assert.deepEqual(kept(['Connection', 'close , x-A', 'X-a', '1', 'X-B', '2']), ['X-B', '2'])
  })

  test('strips the headers that several Connection headers name', () => {
    assert.deepEqual(kept(['Connection', 'X-A', 'X-A', '1', 'Connection', 'X-B', 'X-B', '2']), [])
  })

  test('keeps Content-Length and Host even if Connection names them', () => {
    const headers = ['Connection', 'content-length, host', 'Content-Length', '5']
    assert.deepEqual(kept(headers), ['Content-Length', '5'])
    assert.deepEqual(valuesOf('host', headers), ['es.example.com:9200'])
  })
})

describe('the Cookie header of an upstream request', () => {
  const rows: [sent: string, expected: string[]][] = [
    ['sid=1; theme=dark', ['Cookie', 'sid=1; theme=dark']],
    ['__Host-elastauth=s', []],
    ['sid=1; __Host-elastauth_session=s; theme=dark', ['Cookie', 'sid=1; theme=dark']],
    ['__Host-elastauth.0=a;__host-ELASTAUTH.1=b; sid=1', ['Cookie', 'sid=1']],
    ['__Secure-elastauth=s; sid=elastauth', ['Cookie', 'sid=elastauth']],
  ]
  for (const [sent, expected] of rows) {
    test(`strips private cookies from Cookie: ${sent}`, () => assert.deepEqual(kept(['Cookie', sent]), expected))
  }

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
    test(`strips token cookies from Cookie: ${sent}`, () => {
      const built = withTokens([...host, 'Cookie', sent], untrusted)
      const at = built.indexOf('Cookie')
      assert.equal(at === -1 ? undefined : built[at + 1], expected)
    })
  }

  test('keeps the cookie access_token if no token is read from cookies', () => {
    assert.deepEqual(kept(['Cookie', 'access_token=x']), ['Cookie', 'access_token=x'])
  })
})

describe('the headers about the origin of a request', () => {
  const sentHeaders = [
    ...['X-Forwarded-For', '198.51.100.1', 'x-forwarded-for', '198.51.100.2', 'X-Forwarded-Proto', 'https'],
    ...['X-Forwarded-Host', 'kibana.example.com', 'X-Forwarded-Port', '8443', 'Forwarded', 'for=198.51.100.1'],
  ]
  const values = (context: HeaderContext, raw = sentHeaders) =>
    Object.fromEntries([...addedNames].map((name) => [name, valuesOf(name, raw, context)]))

  test('replaces the forwarded headers of an untrusted client with the address and host of its connection', () => {
    assert.deepEqual(values(untrusted), {
      'x-forwarded-for': ['203.0.113.7'],
      'x-forwarded-proto': ['http'],
      'x-forwarded-host': ['es.example.com:9200'],
      'x-forwarded-port': ['9200'],
      forwarded: ['for=203.0.113.7;host="es.example.com:9200";proto=http'],
    })
  })

  test('keeps the forwarded headers of a trusted proxy, and adds its address to the chain', () => {
    assert.deepEqual(values(trusted), {
      'x-forwarded-for': ['198.51.100.1, 198.51.100.2, 10.0.0.1'],
      'x-forwarded-proto': ['https'],
      'x-forwarded-host': ['kibana.example.com'],
      'x-forwarded-port': ['8443'],
      forwarded: ['for=198.51.100.1, for=10.0.0.1;host="es.example.com:9200";proto=http'],
    })
  })

  test('encloses an IPv6 address in brackets in Forwarded, and sends an IPv4-mapped address as IPv4', () => {
    assert.match(
      valuesOf('forwarded', [], { ...untrusted, remoteAddress: '2001:db8::7' })[0]!,
      /^for="\[2001:db8::7\]";/,
    )
    assert.deepEqual(valuesOf('x-forwarded-for', [], { ...untrusted, remoteAddress: '::ffff:203.0.113.7' }), [
      '203.0.113.7',
    ])
  })

  test('sends https and port 443 as origin for an encrypted connection to a host without a port', () => {
    const built = build(['Host', 'es'], { ...untrusted, isEncrypted: true })
    assert.equal(built[built.indexOf('X-Forwarded-Proto') + 1], 'https')
    assert.equal(built[built.indexOf('X-Forwarded-Port') + 1], '443')
  })

  for (const name of ['X-Real-IP', 'X-Forwarded-Prefix', 'X-Forwarded-Anything']) {
    test(`forwards ${name} only from a trusted proxy`, () => {
      assert.deepEqual(kept([name, 'x']), [])
      assert.deepEqual(kept([name, 'x'], trusted), [name, 'x'])
    })
  }
})

describe('the headers of a route', () => {
  test(`overrides headers of the client with those of the route, in any spelling`, () => {
    const context = { ...untrusted, routeHeaders: ['X-Scope-OrgID', 'us', 'Host', 'inner'] }
    assert.deepEqual(kept(['x-scope-orgid', 'them', 'X_Scope_OrgID', 'them'], context), ['X-Scope-OrgID', 'us'])
    assert.deepEqual(valuesOf('host', [], context), ['inner'])
    assert.deepEqual(valuesOf('x-forwarded-host', [], context), ['es.example.com:9200'])
  })
})

test('strips a private header even after more made-up names than the filter caches', () => {
  for (let i = 0; i < 2000; i++) assert.deepEqual(kept([`X-Made-Up-${i}`, 'x']), [`X-Made-Up-${i}`, 'x'])
  assert.deepEqual(kept(['ReMoTe_uSeR', 'elastic']), [])
})
