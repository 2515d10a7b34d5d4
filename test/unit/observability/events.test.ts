import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, errorTable } from '../../../src/http/errors.ts'
import { denialFieldsOf, type EventRow, eventTable, logEvent } from '../../../src/observability/events.ts'
import { createLog } from '../../../src/observability/log.ts'

/** The types that ECS 8.17 expects for these categories (schemas/event.yml in the repository elastic/ecs). */
const expectedTypes: Readonly<Record<string, readonly string[]>> = {
  authentication: ['start', 'end', 'info'],
  configuration: ['access', 'change', 'creation', 'deletion', 'info'],
  database: ['access', 'change', 'info', 'error'],
  iam: ['admin', 'change', 'creation', 'deletion', 'group', 'info', 'user'],
  network: ['access', 'allowed', 'connection', 'denied', 'end', 'info', 'protocol', 'start'],
  process: ['access', 'change', 'end', 'info', 'start'],
  session: ['start', 'end', 'info'],
  web: ['access', 'error', 'info'],
}

const rows = Object.entries<EventRow>(eventTable)

test('each event has categories of ECS, and types that ECS expects for one of its categories', () => {
  for (const [action, { category, type }] of rows) {
    for (const name of category) {
      assert.ok(Object.hasOwn(expectedTypes, name), `${action}: ${name}`)
      assert.ok(
        type.some((one) => expectedTypes[name]!.includes(one)),
        `${action}: no type for ${name}`,
      )
    }
    for (const one of type)
      assert.ok(
        category.some((name) => expectedTypes[name]!.includes(one)),
        `${action}: ${one}`,
      )
  }
})

test('each event has either a level of its own or the error codes of the requests that log it', () => {
  for (const [action, { level, errors }] of rows) assert.notEqual(level === undefined, errors === undefined, action)
})

test('an error code belongs to at most one event, which gives its request the code as event.reason', () => {
  const codes = rows.flatMap(([, { errors = [] }]) => errors)
  assert.deepEqual(codes, [...new Set(codes)])
  for (const code of codes) assert.equal(denialFieldsOf(code)!['event.reason'], code)
})

test('every error that denies a request of a user or rejects a credential is an event, and no outage is', () => {
  const events = (Object.keys(errorTable) as ErrorCode[]).filter((code) => denialFieldsOf(code) !== undefined)
  const others = Object.keys(errorTable).filter((code) => !events.includes(code as ErrorCode))
  assert.deepEqual(
    others.filter((code) => [401, 403].includes(errorTable[code as ErrorCode].status)),
    ['identity_missing'],
  )
  assert.deepEqual(
    events.filter((code) => errorTable[code].status >= 500),
    [],
  )
})

test('an event is logged as one JSON line with its category, type, action and outcome', async () => {
  const lines: string[] = []
  const log = await createLog({
    level: 'info',
    format: 'json',
    destination: { write: (line) => void lines.push(line) },
  })
  logEvent(log, 'redis_down', { 'user.name': 'bob' }, 'Redis: gone')
  const [line, ...rest] = lines.map((text) => JSON.parse(text))
  assert.deepEqual(rest, [])
  assert.deepEqual(
    { ...line, '@timestamp': '' },
    {
      '@timestamp': '',
      'log.level': 'warn',
      'ecs.version': '8.17',
      'service.name': 'elastauth',
      'event.kind': 'event',
      'event.category': ['database'],
      'event.type': ['error'],
      'event.action': 'redis_down',
      'event.outcome': 'failure',
      'user.name': 'bob',
      message: 'Redis: gone',
    },
  )
})
