import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import type { Dispatcher } from 'undici'
import { runHealthChecks } from '../../../../src/proxy/routing/health.ts'
import type { Upstream } from '../../../../src/proxy/routing/upstreams.ts'

let stopped: AbortController
let answers: boolean
let asked: string[]
let news: string[]
let wake = () => {}

beforeEach(() => {
  stopped = new AbortController()
  answers = true
  asked = []
  news = []
})
afterEach(() => {
  stopped.abort()
  wake()
})

/** An upstream that answers when `answers` says so. */
function fake(url: string): Upstream {
  let healthy = true
  const dispatch: Upstream['dispatch'] = ({ method, path }, handler) => {
    asked.push(`${method} ${url}${path}`)
    if (answers) handler.onResponseStart?.({} as Dispatcher.DispatchController, 500, {})
    else handler.onResponseError?.({} as Dispatcher.DispatchController, new Error('down'))
  }
  const setHealthy = (isHealthy: boolean) => {
    const isNews = healthy !== isHealthy
    healthy = isHealthy
    return isNews
  }
  return { url: new URL(url), dispatch, setHealthy } as Upstream
}

const watch = (...upstreams: Upstream[]) =>
  runHealthChecks(
    upstreams,
    ({ url }, isHealthy) => news.push(`${url.host} ${isHealthy}`),
    stopped.signal,
    () =>
      new Promise<void>((resolve) => {
        wake = resolve
      }),
  )

/** The time between two checks, and what is due then. */
async function pass(): Promise<void> {
  wake()
  await new Promise((resolve) => setImmediate(resolve))
}

test('each is asked for its root again and again; any answer will do, and only a change is told', async () => {
  void watch(fake('http://a'), fake('http://b'))
  assert.deepEqual(asked, [])
  await pass()
  assert.deepEqual(asked, ['GET http://a/', 'GET http://b/'])
  assert.deepEqual(news, [])
  answers = false
  await pass()
  await pass()
  answers = true
  await pass()
  assert.deepEqual(news, ['a false', 'b false', 'a true', 'b true'])
})

test('ends when it is told to', async () => {
  const ended = watch(fake('http://a'))
  stopped.abort()
  await pass()
  await ended
  assert.deepEqual(asked, [])
})
