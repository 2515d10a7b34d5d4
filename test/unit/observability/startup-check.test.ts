import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../../src/http/errors.ts'
import { createLog } from '../../../src/observability/log.ts'
import { watchElasticsearch } from '../../../src/observability/startup-check.ts'

async function createLines() {
  const lines: Record<string, unknown>[] = []
  const log = await createLog({
    level: 'info',
    format: 'json',
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  })
  return { lines, log }
}
const brief = () => lines().map(({ 'log.level': level, message }) => `${level} ${message}`)
let lines: () => Record<string, unknown>[]

async function watch(
  checkPrivilege: () => Promise<void>,
  { stopped = new AbortController(), missing = [] }: { stopped?: AbortController; missing?: string[] } = {},
) {
  const { lines: collected, log } = await createLines()
  lines = () => collected
  return {
    done: watchElasticsearch({ checkPrivilege, findMissingRoles: async () => missing }, log, stopped.signal),
    stopped,
  }
}

test('the startup check logs one line if the service account may manage users', async () => {
  await (await watch(async () => {})).done
  assert.deepEqual(brief(), ['info connected to Elasticsearch; the service account may manage users'])
})

test('the startup check logs one warning that names all configured roles which Elasticsearch lacks', async () => {
  await (await watch(async () => {}, { missing: ['reader', 'writer'] })).done
  assert.deepEqual(brief(), [
    'info connected to Elasticsearch; the service account may manage users',
    'warn Elasticsearch has no role reader, writer, so it grants no privileges: create it, or correct group_mappings and default_roles',
  ])
})

test('the startup check logs the failure, retries until it succeeds, and logs the success once', async () => {
  let calls = 0
  await (
    await watch(async () => {
      if (++calls < 2) throw new GatewayError('elasticsearch_rejected', 'our service account lacks manage_security')
    })
  ).done
  assert.deepEqual(brief(), [
    'error Elasticsearch: our service account lacks manage_security; retrying',
    'info connected to Elasticsearch; the service account may manage users',
  ])
  assert.equal(lines()[0]?.['error.code'], 'elasticsearch_rejected')
})

test('the startup check logs each failure reason once, and a new reason on a new line', async () => {
  const reasons = ['Elasticsearch answered 503: starting', 'Elasticsearch answered 503: starting', 'no privilege']
  await (
    await watch(async () => {
      const reason = reasons.shift()
      if (reason !== undefined) throw new GatewayError('elasticsearch_unavailable', reason)
    })
  ).done
  assert.deepEqual(brief(), [
    'error Elasticsearch: answered 503: starting; retrying',
    'error Elasticsearch: no privilege; retrying',
    'info connected to Elasticsearch; the service account may manage users',
  ])
})

test('stopping the startup check ends its wait for the next try at once', async () => {
  const { done, stopped } = await watch(() => Promise.reject(new Error('down')))
  await new Promise(setImmediate)
  stopped.abort()
  const timeout = (async () => {
    for (let i = 0; i < 5; i++) await new Promise(setImmediate)
    return 'still waiting'
  })()
  assert.notEqual(await Promise.race([done, timeout]), 'still waiting')
  assert.deepEqual(brief(), ['error Elasticsearch: down; retrying'])
})

test('stopping the startup check during a call logs no failure of that call', async () => {
  const stopped = new AbortController()
  const { done } = await watch(
    async () => {
      stopped.abort()
      throw new Error('the client was closed')
    },
    { stopped },
  )
  await done
  assert.deepEqual(brief(), [])
})

test('a startup check that is stopped before it begins makes no call', async () => {
  const stopped = new AbortController()
  stopped.abort()
  await (await watch(() => assert.fail('asked'), { stopped })).done
  assert.deepEqual(brief(), [])
})
