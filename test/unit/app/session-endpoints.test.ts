import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSessionEndpoints } from '../../../src/app/session-endpoints.ts'
import type { Identity } from '../../../src/auth/identity.ts'
import { createSubject } from '../../../src/auth/subject.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import type { GatewayResponse } from '../../../src/http/response.ts'
import { contextOf } from '../../support/request-context.ts'

const identityOf = (username: string): Identity => ({ username, groups: [], provider: 'users' })
const cookie = `__Host-elastauth-session=${'x'.repeat(43)}`

/** The sessions of bob are never read to the end. */
function createEndpoints() {
  const ofUser = {
    list: (username: string) => (username === 'bob' ? new Promise<never>(() => {}) : Promise.resolve([])),
    end: async () => false,
    endAll: async () => 1,
  }
  const create = createSessionEndpoints({
    findSession: () => identityOf('bob'),
    sessions: { ofUser } as never,
    events: { endedByUser: () => {}, endedByAdministrator: () => {} },
  })
  const admin = { identity: identityOf('alice'), roles: ['superuser'], credential: { authorization: 'Basic x' } }
  return create({
    originOf: () => 'https://kibana.test',
    authentication: {
      describeUser: async () => ({ identity: identityOf('bob'), roles: [] }),
      resolveSubject: async () => createSubject(admin.identity, admin.roles),
      authenticate: () => admin,
    },
    adminRoles: ['superuser'],
  })
}

test('a user whose requests for the account page exhaust its limit does not keep an administrator from ending the sessions', async () => {
  const endpoints = createEndpoints()
  const account = () => endpoints.get('/elastauth/account')!.handle(contextOf({ method: 'GET', headers: { cookie } }))
  const pages = Array.from({ length: 73 }, account)
  await assert.rejects(Promise.race(pages), (error) => error instanceof GatewayError && error.code === 'overloaded')
  const url = '/elastauth/admin/users/bob/sessions'
  const context = contextOf({ method: 'DELETE', url, headers: {} })
  const { status, body } = (await endpoints.get('/elastauth/admin/')!.handle(context)) as GatewayResponse
  assert.deepEqual([status, JSON.parse(body)], [200, { username: 'bob', ended: 1 }])
})
