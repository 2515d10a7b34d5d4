import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../../src/http/errors.ts'
import { createLog } from '../../../src/observability/log.ts'
import { createLoginReporter } from '../../../src/observability/login-events.ts'
import { contextOf } from '../../support/request-context.ts'

type Claims = Readonly<Record<string, unknown>>

async function createReporter(format: 'json' | 'text' = 'json') {
  const output: string[] = []
  const log = await createLog({ level: 'info', format, destination: { write: (line) => void output.push(line) } })
  const toIdentity = ({ name, groups }: Claims) => {
    if (typeof name !== 'string') throw new GatewayError('identity_invalid', 'no name')
    return Object.freeze({ username: name, groups: groups as string[], provider: 'oidc' })
  }
  return { output, events: createLoginReporter(log, toIdentity), lines: () => output.map((line) => JSON.parse(line)) }
}

const context = contextOf({ socket: { remoteAddress: '192.0.2.1' } } as never)
const mapRoles = () => ['viewer']
const noRoles = () => {
  throw new GatewayError('no_roles', 'none')
}

test('a sign-in is logged with the user, the groups and the roles, or without roles if the groups grant none', async () => {
  const { events, lines } = await createReporter()
  const granted = { subject: 'sub-1', claims: { name: 'alice', groups: ['staff'] } }
  assert.equal(events.signedIn(granted, mapRoles, context), 'alice')
  assert.equal(events.signedIn(granted, noRoles, context), 'alice')
  const [first, second] = lines()
  assert.deepEqual([first['user.name'], first['user.id'], first['user.roles']], ['alice', 'sub-1', ['viewer']])
  assert.deepEqual(
    [first['user.group.name'], first['client.ip'], first['http.request.id']],
    [['staff'], '192.0.2.1', 'id-7'],
  )
  assert.deepEqual(second['user.roles'], [])
})

for (const format of ['json', 'text'] as const) {
  test(`control characters in the names of a user who signs in are escaped in the ${format} log, and long names are cut`, async () => {
    const { events, output } = await createReporter(format)
    const evil = `\u001b[2J\u009b31m\r\n\u2028${'x'.repeat(10_000)}`
    const granted = { subject: evil, claims: { name: evil, groups: [evil] } }
    const name = events.signedIn(granted, () => [evil], context)
    events.signedOut(granted, context)
    events.signedOutAtProvider(1, evil, context)
    events.sessionEnded({ username: evil, reason: 'lifetime' })
    events.refreshFailed(new GatewayError('provider_unavailable', 'down'), evil)
    for (const text of [name, ...output.map((line) => line.trimEnd())]) {
      assert.doesNotMatch(text, /[\0-\x1f\x7f-\x9f\u2028\u2029]/)
      assert.ok(text.length < 4096)
    }
  })
}

test('a sign-out of a session whose claims give no username is logged with the subject', async () => {
  const { events, lines } = await createReporter()
  events.signedOut({ subject: 'sub-1', claims: {} }, context)
  assert.deepEqual([lines()[0].message, lines()[0]['user.name']], ['user sub-1: signed out', undefined])
})
