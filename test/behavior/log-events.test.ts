import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type EventAction, eventTable } from '../../src/observability/events.ts'
import type { Gateway, LogLine } from '../support/gateway.ts'
import { respondJson } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { openRaw } from '../support/raw-http.ts'
import { eventually } from '../support/wait.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

const isEvent = (action: EventAction, username?: string) => (line: LogLine) =>
  line['event.action'] === action && (username === undefined || line['user.name'] === username)

/** Requires that each event has the values of its row in the table, and that the log has all of `actions`. */
function assertEvents(log: readonly LogLine[], ...actions: EventAction[]): void {
  const events = log.filter((line) => line['event.action'] !== undefined)
  for (const line of events) {
    const { level, category, type, outcome } = eventTable[line['event.action'] as EventAction]
    assert.deepEqual(
      [line['event.kind'], line['event.category'], line['event.type'], line['event.outcome']],
      ['event', category, type, outcome],
    )
    if (level !== undefined) assert.equal(line['log.level'], level)
  }
  assert.deepEqual(
    actions.filter((action) => !log.some(isEvent(action))),
    [],
  )
}

describe('events of sign-ins and sessions', async () => {
  const { idp, startProxy } = await createOidcTestBed({ lifetimes: { accessToken: 2 } })
  const gateway = await startProxy()
  const { url, log, logged } = gateway

  test('a sign-in is one event with the user, the provider, the groups and the roles, and the request id of the callback', async () => {
    await createUserAgent().visit(`${url}/app`, 'alice')
    const event = await logged(isEvent('user_signed_in', 'alice'))
    const { groups } = idp.accounts.get('alice') as { groups: string[] }
    assert.ok(groups.includes('staff') || groups.includes('admins'))
    assert.deepEqual(event['user.group.name'], groups)
    assert.ok((event['user.roles'] as string[]).length > 0)
    assert.deepEqual([event['elastauth.provider'], event['user.id']], ['oidc', 'alice'])
    assert.match(String(event['client.ip']), /^127\./)
    const callback = await logged((line) => line['url.path'] === '/elastauth/callback')
    assert.equal(event['http.request.id'], callback['http.request.id'])
    assert.equal(log.filter(isEvent('user_signed_in')).length, 1)
  })

  test('a sign-in of a user without a role is an event without roles, and the denied request is an event on its own line', async () => {
    await createUserAgent().visit(`${url}/app`, 'carol')
    assert.deepEqual((await logged(isEvent('user_signed_in', 'carol')))['user.roles'], [])
    const denied = await logged(isEvent('access_denied', 'carol'))
    assert.deepEqual([denied['event.reason'], denied['http.response.status_code']], ['no_roles', 403])
    assert.equal(log.filter((line) => line['http.request.id'] === denied['http.request.id']).length, 1)
  })

  test('a sign-out is one event with the user', async () => {
    const agent = createUserAgent()
    await agent.visit(`${url}/app`, 'bob')
    await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    const event = await logged(isEvent('user_signed_out', 'bob'))
    assert.equal(event['user.id'], 'bob')
    assert.match(String(event['client.ip']), /^127\./)
  })

  test('a failed refresh is an event with the error code, and a rejected refresh token ends the session', async () => {
    const agent = createUserAgent()
    await agent.visit(`${url}/app`, 'bob')
    const status = async () => (await agent.request(`${url}/app`)).status
    const restore = idp.intercept('token', respondJson(500, { error: 'server_error' }))
    const failed = logged(isEvent('refresh_failed', 'bob'))
    await eventually(status, () => log.some(isEvent('refresh_failed', 'bob')))
    assert.equal((await failed)['event.reason'], 'provider_unavailable')
    restore()
    idp.intercept('token', respondJson(400, { error: 'invalid_grant' }))
    await eventually(status, (found) => found === 302)
    const ended = await logged(isEvent('session_ended', 'bob'))
    assert.equal(ended['event.reason'], 'refresh_rejected')
  })

  test('a sign-in that the provider denies is an event on the line of the callback', async () => {
    const agent = createUserAgent()
    const redirect = await agent.request(`${url}/app`)
    const state = new URL(redirect.headers.get('location')!).searchParams.get('state')!
    const query = new URLSearchParams({ state, error: 'access_denied', iss: idp.issuer })
    assert.equal((await agent.request(`${url}/elastauth/callback?${query}`)).status, 403)
    assert.equal((await logged(isEvent('sign_in_failed')))['event.reason'], 'login_denied')
  })

  test('a rejected token is an event on the line of its request', async () => {
    const response = await fetch(`${url}/app`, { headers: { Authorization: 'Bearer not.a.token' } })
    assert.equal(response.status, 401)
    assert.equal((await logged(isEvent('token_rejected')))['event.reason'], 'token_invalid')
  })

  test('every event of a sign-in or session has the values of the table', () => {
    const actions = ['user_signed_in', 'user_signed_out', 'session_ended', 'refresh_failed', 'sign_in_failed'] as const
    assertEvents(log, ...actions, 'access_denied', 'token_rejected', 'started')
  })
})

describe('events of users', async () => {
  const { start, elasticsearch } = await createFixture()
  const env = { ELASTAUTH_GROUP_MAPPINGS: '{"admins": ["superuser"], "staff": ["viewer"]}' }
  const gateway = await start({ flags: { enable_group_whitelist: 'true', group_whitelist: 'admins,staff' }, env })
  const { url, log, logged } = gateway
  const send = (username: string, groups: string) => sendSubRequest(url, username, { 'Remote-Groups': groups })

  test('the first request of a user writes an event with the new roles and groups', async () => {
    assert.equal((await send('erin', 'staff')).status, 200)
    const event = await logged(isEvent('user_created', 'erin'))
    assert.deepEqual([event['user.changes.roles'], event['user.changes.group.name']], [['viewer'], ['staff']])
    assert.deepEqual([event['user.roles'], event['user.group.name']], [undefined, undefined])
  })

  test('a change of groups writes an event with the roles and groups before and after', async () => {
    assert.equal((await send('erin', 'admins,staff')).status, 200)
    const event = await logged(isEvent('user_changed', 'erin'))
    assert.deepEqual([event['user.roles'], event['user.group.name']], [['viewer'], ['staff']])
    assert.deepEqual(
      [event['user.changes.roles'], event['user.changes.group.name']],
      [
        ['superuser', 'viewer'],
        ['admins', 'staff'],
      ],
    )
  })

  test('a denied request is one line with the event and its reason, and the removal of the roles is an event', async () => {
    assert.equal((await send('erin', 'guests')).status, 403)
    const denied = await logged(isEvent('access_denied', 'erin'))
    assert.deepEqual([denied['event.reason'], denied['error.code']], ['group_denied', 'group_denied'])
    assert.equal(log.filter((line) => line['http.request.id'] === denied['http.request.id']).length, 1)
    const removed = await logged(isEvent('user_denied', 'erin'))
    assert.deepEqual([removed['user.roles'], removed['user.changes.roles']], [['superuser', 'viewer'], []])
    assert.deepEqual(elasticsearch.users.get('erin')?.roles, [])
  })

  test('an invalid identity and invalid HTTP are events', async () => {
    assert.equal((await sendSubRequest(url, 'er in')).status, 400)
    assert.equal((await logged(isEvent('identity_rejected')))['event.reason'], 'identity_invalid')
    const connection = openRaw(Number(new URL(url).port))
    connection.send('nonsense\r\n\r\n')
    await connection.closed
    const rejected = await logged(isEvent('connection_rejected'))
    assert.equal(rejected['client.ip'], '127.0.0.1')
    assert.ok(connection.received().includes(`"request_id":"${rejected['http.request.id']}"`))
  })

  test('control characters in a group name do not reach the log, neither as JSON nor as text', async () => {
    assert.equal((await send('mallory', 'staff,\u009b31mred')).status, 400)
    assert.ok(!gateway.output().includes('\u009b'))
  })

  test('every event of a user has the values of the table', () => {
    assertEvents(
      log,
      'elasticsearch_up',
      'user_created',
      'user_changed',
      'user_denied',
      'access_denied',
      'identity_rejected',
    )
  })
})

describe('events of the process', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-events-'))
  after(() => rmSync(directory, { recursive: true }))
  const { start } = await createFixture()

  async function startWithFile(): Promise<{ gateway: Gateway; reload: (text: string) => void }> {
    const file = join(directory, 'config.yml')
    writeFileSync(file, 'default_roles: [viewer]\n')
    const gateway = await start({ flags: { config: file } })
    const reload = (text: string) => {
      writeFileSync(file, text)
      gateway.process.kill('SIGHUP')
    }
    return { gateway, reload }
  }

  test('a start, a reload, a rejected reload and a stop are events', async () => {
    const { gateway, reload } = await startWithFile()
    const { log, logged } = gateway
    await logged(isEvent('started'))
    reload('default_roles: [viewer]\ngroup_mappings: { admins: [superuser] }\n')
    await logged(isEvent('configuration_reloaded'))
    reload('default_roles: viewer, admin\n')
    await logged(isEvent('configuration_rejected'))
    assert.equal(await gateway.stop(), 0)
    assertEvents(log, 'started', 'configuration_reloaded', 'configuration_rejected', 'stopped')
  })
})
