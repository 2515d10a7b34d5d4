import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, test } from 'node:test'
import type { Dispatcher } from 'undici'
import { responds, runHealthChecks } from '../../../../src/proxy/routing/health.ts'
import { createUpstream, type Upstream } from '../../../../src/proxy/routing/upstreams.ts'
import { startUpstream } from '../../../support/upstream.ts'

let stopped: AbortController
let isUp: boolean
let requests: string[]
let changes: string[]
let paused: (() => void)[]

beforeEach(() => {
  stopped = new AbortController()
  isUp = true
  requests = []
  changes = []
  paused = []
})
afterEach(() => {
  stopped.abort()
  resume()
})

/** An upstream that responds while `isUp`. */
function fakeUpstream(url: string): Upstream {
  let healthy = true
  const dispatch: Upstream['dispatch'] = ({ method, path }, handler) => {
    requests.push(`${method} ${url}${path}`)
    if (isUp) handler.onResponseStart?.({ abort() {} } as unknown as Dispatcher.DispatchController, 500, {})
    else handler.onResponseError?.({} as Dispatcher.DispatchController, new Error('down'))
  }
  const setHealthy = (isHealthy: boolean) => {
    const isChange = healthy !== isHealthy
    healthy = isHealthy
    return isChange
  }
  return { url: new URL(url), dispatch, setHealthy } as Upstream
}

const start = (...upstreams: Upstream[]) =>
  runHealthChecks(upstreams, {
    onChange: ({ url }, isHealthy) => changes.push(`${url.host} ${isHealthy}`),
    signal: stopped.signal,
    pause: () => new Promise<void>((resolve) => paused.push(resolve)),
  })

function resume(): void {
  for (const check of paused.splice(0)) check()
}

/** Runs the next check of each upstream, unless its previous check is still running. */
async function runNextCheck(): Promise<void> {
  resume()
  await new Promise((resolve) => setImmediate(resolve))
}

test('a health check requests the root of each upstream, counts any response as healthy, and reports only changes', async () => {
  void start(fakeUpstream('http://a'), fakeUpstream('http://b'))
  assert.deepEqual(requests, [])
  await runNextCheck()
  assert.deepEqual(requests, ['GET http://a/', 'GET http://b/'])
  assert.deepEqual(changes, [])
  isUp = false
  await runNextCheck()
  await runNextCheck()
  isUp = true
  await runNextCheck()
  assert.deepEqual(changes, ['a false', 'b false', 'a true', 'b true'])
})

test('an upstream that does not respond delays no check of another upstream', async () => {
  const hanging = { ...fakeUpstream('http://a'), dispatch: () => requests.push('hanging') }
  isUp = false
  void start(hanging, fakeUpstream('http://b'))
  await runNextCheck()
  isUp = true
  await runNextCheck()
  assert.deepEqual(requests, ['hanging', 'GET http://b/', 'GET http://b/'])
  assert.deepEqual(changes, ['b false', 'b true'])
})

test('health checks end when their signal is aborted', async () => {
  const ended = start(fakeUpstream('http://a'))
  stopped.abort()
  await runNextCheck()
  await ended
  assert.deepEqual(requests, [])
})

test('a health check closes its connection at the head of the response, even if the body never ends', async () => {
  const { promise: requested, resolve } = Promise.withResolvers<ServerResponse>()
  const { url } = await startUpstream((_, response) => {
    response.write('the start of an endless body')
    resolve(response)
  })
  const options = { timeoutMs: 60_000, idleTimeoutMs: 60_000, maxIdleConnections: 10 }
  const upstream = createUpstream(new URL(url), { insecureSkipVerify: false }, options)
  const isUpstreamUp = responds(upstream)
  const closed = once(await requested, 'close')
  assert.equal(await isUpstreamUp, true)
  await closed
  await upstream.close()
})
