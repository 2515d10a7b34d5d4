import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { errors } from '@elastic/elasticsearch'
import { type CallResult, createCall, type Operation } from '../../../src/es/call.ts'
import type { GatewayError } from '../../../src/http/errors.ts'

const secret = 'Basic aHVudGVyMjpodW50ZXIy'

/** What the client throws, with all it knows about the request on it. */
function meta(statusCode: number | undefined, body: unknown) {
  const params = {
    method: 'PUT',
    path: '/_security/user/bob',
    headers: { authorization: secret },
    body: { password: secret },
  }
  return {
    ...(statusCode !== undefined && { statusCode }),
    body,
    headers: { 'x-secret': secret },
    warnings: null,
    meta: {
      context: { authorization: secret },
      name: 'elastauth',
      request: { params, options: {}, id: 1 },
      connection: null,
      attempts: 0,
      aborted: false,
    },
  } as unknown as ConstructorParameters<typeof errors.ResponseError>[0]
}
const errorBody = (status: number) => ({ error: { type: 'security_exception', reason: `reason of ${status}` }, status })
const responseError = (status: number, body: unknown = errorBody(status)) =>
  new errors.ResponseError(meta(status, body))

function create() {
  const reports: [Operation, CallResult][] = []
  const clock = { now: 0 }
  const call = createCall({ monotonicNow: () => clock.now, report: (...report) => void reports.push(report) })
  const fail = async (error: unknown, operation: Operation = 'user_read'): Promise<GatewayError> => {
    const failure = await call(operation, () => Promise.reject(error)).then(
      () => assert.fail('did not fail'),
      (thrown) => thrown,
    )
    assert.equal(failure.name, 'GatewayError')
    return failure
  }
  return { call, fail, reports, clock }
}

test('a certificate that nobody vouches for: the advice is ours, and not for who starts Node by hand', async () => {
  const { fail } = create()
  const said =
    'self-signed certificate in certificate chain; if the root CA is installed locally, try running Node.js with --use-system-ca'
  const { code, detail } = await fail(new errors.ConnectionError(said))
  assert.equal(code, 'elasticsearch_unavailable')
  assert.match(detail, /self-signed certificate in certificate chain; put its CA into elasticsearch\.ca_cert$/)
})

test('a result comes through, and is counted', async () => {
  const { call, reports } = create()
  assert.equal(await call('user_write', async () => 7), 7)
  assert.deepEqual(reports, [['user_write', 'ok']])
})

describe('failures', () => {
  const rows: [string, unknown, 'unavailable' | 'rejected', RegExp][] = [
    [
      '403 says which privilege is missing, in Elasticsearch’s words',
      responseError(403, { error: { reason: 'action [cluster:admin/x] is unauthorized for user [lowly]' } }),
      'rejected',
      /403: action \[cluster:admin\/x\] is unauthorized for user \[lowly\]/,
    ],
    ['400', responseError(400), 'rejected', /400: reason of 400/],
    ['404', responseError(404), 'rejected', /404/],
    ['429: too busy', responseError(429), 'unavailable', /429: reason of 429/],
    ['500', responseError(500), 'unavailable', /500/],
    [
      '502 of a proxy in between, in HTML',
      responseError(502, '<html>secret</html>'),
      'unavailable',
      /502: no reason given/,
    ],
    ['503', responseError(503), 'unavailable', /503: reason of 503/],
    ['504', responseError(504), 'unavailable', /504/],
    ['a body without a reason', responseError(503, {}), 'unavailable', /no reason given/],
    ['no body', responseError(503, null), 'unavailable', /no reason given/],
    [
      'a reason that is no text',
      responseError(503, { error: { reason: { secret } } }),
      'unavailable',
      /no reason given/,
    ],
    ['error as text', responseError(405, { error: 'Incorrect HTTP method' }), 'rejected', /no reason given/],
    [
      'a timeout',
      new errors.TimeoutError('Request timed out', meta(undefined, {})),
      'unavailable',
      /TimeoutError: Request timed out/,
    ],
    [
      'a connection refused',
      new errors.ConnectionError('connect ECONNREFUSED 127.0.0.1:9200', meta(undefined, {})),
      'unavailable',
      /ECONNREFUSED/,
    ],
    ['no living connection', new errors.NoLivingConnectionsError('none', meta(undefined, {})), 'unavailable', /none/],
    [
      'another server than Elasticsearch',
      new errors.ProductNotSupportedError('Elasticsearch', meta(200, {})),
      'unavailable',
      /Elasticsearch/,
    ],
    ['an error of our own', new TypeError('x is not a function'), 'unavailable', /TypeError: x is not a function/],
    ['no error at all', 'text', 'unavailable', /text/],
    ['nothing', undefined, 'unavailable', /undefined/],
  ]
  for (const [name, error, result, detail] of rows) {
    test(name, async () => {
      const { fail, reports } = create()
      const failure = await fail(error)
      assert.equal(failure.code, `elasticsearch_${result}`)
      assert.match(failure.detail, detail)
      assert.deepEqual(reports, [['user_read', result]])
    })

    test(`${name}: nothing of our request is told`, async () => {
      const { fail } = create()
      const failure = await fail(error)
      assert.equal(failure.cause, undefined)
      assert.doesNotMatch(`${failure.stack} ${JSON.stringify(failure)} ${failure.detail}`, /aHVudGVyMj|secret/)
    })
  }
})

describe('401 to our service account', () => {
  test('is a node that starts, for 60 s, then a wrong password', async () => {
    const { fail, clock, reports } = create()
    const codeAt = async (now: number) => {
      clock.now = now
      return (await fail(responseError(401))).code
    }
    assert.equal(await codeAt(1000), 'elasticsearch_unavailable')
    assert.equal(await codeAt(61_000), 'elasticsearch_unavailable')
    assert.equal(await codeAt(61_001), 'elasticsearch_rejected')
    assert.equal(await codeAt(900_000), 'elasticsearch_rejected')
    assert.deepEqual(
      reports.map(([, result]) => result),
      ['unavailable', 'unavailable', 'rejected', 'rejected'],
    )
  })

  test('tells which settings to look at', async () => {
    const { detail } = await create().fail(responseError(401))
    assert.match(detail, /elasticsearch\.username.*api_key.*has just started/)
  })

  test('one success starts the 60 s anew', async () => {
    const { call, fail, clock } = create()
    await fail(responseError(401))
    clock.now = 30_000
    await call('user_read', async () => 1)
    clock.now = 61_001
    assert.equal((await fail(responseError(401))).code, 'elasticsearch_unavailable')
  })

  test('a user’s own login is no success of ours', async () => {
    const { call, fail, clock } = create()
    await fail(responseError(401))
    clock.now = 30_000
    await call('user_authenticate', async () => undefined)
    clock.now = 61_001
    assert.equal((await fail(responseError(401))).code, 'elasticsearch_rejected')
  })

  test('a node that is away for a while does not make it last for ever: 401, 503, 401', async () => {
    const { fail, clock } = create()
    await fail(responseError(401))
    clock.now = 30_000
    await fail(responseError(503))
    clock.now = 61_001
    assert.equal((await fail(responseError(401))).code, 'elasticsearch_unavailable')
  })
})
