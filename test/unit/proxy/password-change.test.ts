import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { changesUserPassword } from '../../../src/proxy/password-change.ts'

/** Accepted by Elasticsearch 8.19 and 9.5, as tested on real nodes. */
const acceptedByElasticsearch = [
  '/_security/user/_password',
  '/_security/user/bob/_password',
  '/_security/user/b%6Fb/_password',
  '/_security/user/_password/',
  '/_security/user/_password//',
  '/_security/user/bob/_password/',
  '/_security/user/_password#x',
  '/_security/user/_password#/../x',
  '/_security/user/_password?error_trace=true',
  '/_security/user/_password?x=/../..',
]

/** Not accepted by them, but possibly changed by an intermediary into one that is. */
const normalizedByOthers = [
  '//_security/user/_password',
  '/_security//user/_password',
  '/_security/user//_password',
  '/_security/user/%5fpassword',
  '/%5Fsecurity/us%65r/_pass%77ord',
  '/_security%2fuser%2f_password',
  '/_security/user/%255fpassword',
  '/_Security/User/_PASSWORD',
  '/./_security/x/../user/_password',
  '/x/%2e%2e/_security/user/_password',
  '/_security/user/_password/%2e',
  '/_security\\user\\_password',
  '/_security/user/_password;x',
  '/_xpack/security/user/_password',
  '/_xpack/security/user/bob/_password',
  '/logs/_security/user/_password',
]

const acceptedByKibana = [
  '/internal/security/users/bob/password',
  '/api/security/v1/users/bob/password',
  '/api/security/users/bob/password',
  '/s/team/internal/security/users/bob/password',
  '/kibana/s/team/internal/security/users/bob/password/',
  '/internal/security/users/b%40b/p%61ssword?x',
  '/internal//security/users/bob/password',
]

const passwordApi = '_security/user/_password'
const inConsole = [
  `path=${passwordApi}&method=POST`,
  `method=POST&path=/${passwordApi}`,
  `path=//${passwordApi}`,
  `path=${encodeURIComponent(`/${passwordApi}`)}`,
  `path=${encodeURIComponent(encodeURIComponent(passwordApi))}`,
  'path=_security%2Fuser%2Fbob%2F_password',
  `path=_search&path=${passwordApi}`,
  `path=${passwordApi}&path=_search`,
  `path[]=${passwordApi}`,
  `p%61th=${passwordApi}`,
  `path=${passwordApi}?pretty`,
  `path=${passwordApi}%3Fx=/../../..`,
  `path=x/../${passwordApi}`,
  'path=_security/x%2f..%2fuser/_password',
  'path=_security/x;y/../user/_password',
  'path=_security/x=y/../user/_password',
  'path=_security/x%253fy/%252e%252e/user/_password?z=/../../..',
  'path=_security%5Cuser%5C_password',
  'path=_secu%09rity/user/_password',
  `path=+${passwordApi}+`,
  `path=${passwordApi}%23x`,
  `path=${passwordApi}%0a`,
]

describe('changesUserPassword detects a request to change a password', () => {
  for (const target of [...acceptedByElasticsearch, ...normalizedByOthers, ...acceptedByKibana])
    test(`detects a password change in ${target}`, () => assert.ok(changesUserPassword(target)))
  for (const query of inConsole) {
    test(`detects a password change in /api/console/proxy?${query}`, () => {
      for (const path of ['/api/console/proxy', '/s/team/api/console/proxy', '/kibana/api/c%6fnsole/proxy/'])
        assert.ok(changesUserPassword(`${path}?${query}`))
    })
  }
})

describe('changesUserPassword rejects long targets without checking all spellings, which would block the event loop', () => {
  const targets = {
    'a path of 60 KB that names a password': `/${'%252e%252e/%25252fpassword%2525253f/'.repeat(1600)}`,
    'a path of 60 KB that names the console, with the API in its query': `/${'%252e/console/'.repeat(4000)}?path=${passwordApi}`,
    'a query with a password in 2,000 parameters': `/api/console/proxy?${'path=%2525252e%2e/password?&'.repeat(2000)}`,
    'a query with a password in one of 60 KB': `/api/console/proxy?path=${'%252e%25252e/a?#'.repeat(3800)}password`,
  }
  for (const [what, target] of Object.entries(targets)) {
    test(`changesUserPassword rejects ${what}`, () => assert.ok(changesUserPassword(target)))
  }
})

describe('changesUserPassword ignores a request that changes no password', () => {
  const targets = [
    '/',
    '/_search?q=_security/user/_password',
    '/_security/user/bob',
    '/_security/user',
    '/_security/user/bob/_passwords',
    '/_security/user/bob/_disable',
    '/_security/users/_password',
    '/my_security/user/_password',
    '/logs/_doc/a%20password',
    '/internal/security/users/bob',
    '/internal/security/users/bob/password_policy',
    '/internal/security/users?q=/security/users/bob/password',
    '/app/password',
    `/${'logs-%2a,'.repeat(1000)}/_search?q=password`,
    `/api/console/proxy?path=${'logs-*,'.repeat(1000)}/_search&method=GET`,
    '/api/console/proxy',
    '/api/console/proxy?path=_search&method=GET',
    '/api/console/proxy?path=_security%2Fuser%2Fbob&method=GET',
    '/api/console/proxy?path=%&method=GET',
    '/api/console/autocomplete?path=_security/user/_password',
  ]
  for (const target of targets) {
    test(`detects no password change in ${target.slice(0, 100)}`, () => assert.ok(!changesUserPassword(target)))
  }
})
