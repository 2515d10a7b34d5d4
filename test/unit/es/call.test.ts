import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { errors } from '@elastic/elasticsearch'
import { type CallResult, createCall, type Operation } from '../../../src/es/call.ts'
import type { GatewayError } from '../../../src/http/errors.ts'

const secret = 'Basic aHVudGVyMjpodW50ZXIy'

/** The metadata of the client's errors, which contains the whole request. */
function errorMetadata(statusCode: number | undefined, body: unknown) {
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
  new errors.ResponseError(errorMetadata(status, body))

function createTestBed() {
  const reports: [Operation, CallResult][] = []
  const clock = { now: 0 }
  const call = createCall({
    monotonicNow: () => clock.now,
    countCall: (operation, result) => void reports.push([operation, result]),
  })
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

test('the error for an untrusted certificate advises elasticsearch.ca_cert instead of a Node option', async () => {
  const { fail } = createTestBed()
  const message =
    'self-signed certificate in certificate chain; if the root CA is installed locally, try running Node.js with --use-system-ca'
  const { code, detail } = await fail(new errors.ConnectionError(message))
  assert.equal(code, 'elasticsearch_unavailable')
  assert.match(detail, /self-signed certificate in certificate chain; put its CA into elasticsearch\.ca_cert$/)
})

test('a successful call returns its result and is counted', async () => {
  const { call, reports } = createTestBed()
  assert.equal(await call('user_write', async () => 7), 7)
  assert.deepEqual(reports, [['user_write', 'ok']])
})

describe('failed calls', () => {
  const rows: [string, unknown, 'unavailable' | 'rejected', RegExp][] = [
    [
      'a 403 that names the missing privilege',
      responseError(403, { error: { reason: 'action [cluster:admin/x] is unauthorized for user [lowly]' } }),
      'rejected',
      /403: action \[cluster:admin\/x\] is unauthorized for user \[lowly\]/,
    ],
    ['a 400', responseError(400), 'rejected', /400: reason of 400/],
    ['a 404', responseError(404), 'rejected', /404/],
    ['a 429', responseError(429), 'unavailable', /429: reason of 429/],
    ['a 500', responseError(500), 'unavailable', /500/],
    ['a 502 with HTML from a proxy', responseError(502, '<html>secret</html>'), 'unavailable', /502: no reason given/],
    ['a 503', responseError(503), 'unavailable', /503: reason of 503/],
    ['a 504', responseError(504), 'unavailable', /504/],
    ['an error without a reason', responseError(503, {}), 'unavailable', /no reason given/],
    ['an error without a body', responseError(503, null), 'unavailable', /no reason given/],
    [
      'an error whose reason is not a string',
      responseError(503, { error: { reason: { secret } } }),
      'unavailable',
      /no reason given/,
    ],
    [
      'an error that is a string',
      responseError(405, { error: 'Incorrect HTTP method' }),
      'rejected',
      /no reason given/,
    ],
    [
      'a timeout',
      new errors.TimeoutError('Request timed out', errorMetadata(undefined, {})),
      'unavailable',
      /TimeoutError: Request timed out/,
    ],
    [
      'a refused connection',
      new errors.ConnectionError('connect ECONNREFUSED 127.0.0.1:9200', errorMetadata(undefined, {})),
      'unavailable',
      /ECONNREFUSED/,
    ],
    [
      'no living connection',
      new errors.NoLivingConnectionsError('none', errorMetadata(undefined, {})),
      'unavailable',
      /none/,
    ],
    [
      'a server other than Elasticsearch',
      new errors.ProductNotSupportedError('Elasticsearch', errorMetadata(200, {})),
      'unavailable',
      /Elasticsearch/,
    ],
    ['a TypeError', new TypeError('x is not a function'), 'unavailable', /TypeError: x is not a function/],
    ['a thrown string', 'text', 'unavailable', /text/],
    ['a thrown undefined', undefined, 'unavailable', /undefined/],
  ]
  for (const [name, error, result, detail] of rows) {
    test(`${name} is elasticsearch_${result}`, async () => {
      const { fail, reports } = createTestBed()
      const failure = await fail(error)
      assert.equal(failure.code, `elasticsearch_${result}`)
      assert.match(failure.detail, detail)
      assert.deepEqual(reports, [['user_read', result]])
    })

    test(`the error for ${name} contains nothing of the request`, async () => {
      const { fail } = createTestBed()
      const failure = await fail(error)
      assert.equal(failure.cause, undefined)
      assert.doesNotMatch(`${failure.stack} ${JSON.stringify(failure)} ${failure.detail}`, /aHVudGVyMj|secret/)
    })
  }
})

describe('a 401 to our service account', () => {
  test('a 401 to the service account is elasticsearch_unavailable for 60 s, then elasticsearch_rejected', async () => {
    const { fail, clock, reports } = createTestBed()
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

  test('the error for a 401 to the service account names the settings to check', async () => {
    const { detail } = await createTestBed().fail(responseError(401))
    assert.match(detail, /elasticsearch\.username.*api_key.*has just started/)
  })

  test('a successful call restarts the 60 s after a 401', async () => {
    const { call, fail, clock } = createTestBed()
    await fail(responseError(401))
    clock.now = 30_000
    await call('user_read', async () => 1)
    clock.now = 61_001
    assert.equal((await fail(responseError(401))).code, 'elasticsearch_unavailable')
  })

  test("a user's login does not restart the 60 s after a 401", async () => {
    const { call, fail, clock } = createTestBed()
    await fail(responseError(401))
    clock.now = 30_000
    await call('user_authenticate', async () => undefined)
    clock.now = 61_001
    assert.equal((await fail(responseError(401))).code, 'elasticsearch_rejected')
  })

  test('a 503 between two 401s restarts the 60 s', async () => {
    const { fail, clock } = createTestBed()
    await fail(responseError(401))
    clock.now = 30_000
    await fail(responseError(503))
    clock.now = 61_001
    assert.equal((await fail(responseError(401))).code, 'elasticsearch_unavailable')
  })
})
