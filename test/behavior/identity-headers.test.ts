import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchange, headersOf, openRaw } from '../support/raw-http.ts'
import { createFixture } from './fixture.ts'

const { elasticsearch, start, userCalls, logIn } = await createFixture()
const { url, logged } = await start({
  env: { ELASTAUTH_GROUP_MAPPINGS: JSON.stringify({ admins: ['editor'], 'team-*': ['editor', 'viewer'] }) },
})
const initialUsers = elasticsearch.users.size
let count = 0
const newUsername = () => `user-${count++}`
const request = (...lines: (string | Buffer)[]) => exchange(url, ['GET / HTTP/1.1', 'Host: elastauth', ...lines])
const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat([...parts.map((part) => Buffer.from(part as string)), Buffer.from('\r\n')])

const rejected: [what: string, status: number, lines: (string | Buffer)[]][] = [
  ['the alias Remote_User beside Remote-User', 400, ['Remote-User: bob', 'Remote_User: admin']],
  ['the alias Remote_User alone', 400, ['Remote_User: admin']],
  ['the alias Remote.User', 400, ['Remote-User: bob', 'Remote.User: admin']],
  ['the alias rEMOTE_gROUPS', 400, ['Remote-User: bob', 'rEMOTE_gROUPS: admins']],
  ['two Remote-User lines', 400, ['Remote-User: bob', 'Remote-User: admin']],
  ['two Remote-User lines in other cases', 400, ['Remote-User: bob', 'remote-user: bob']],
  ['two Remote-Groups lines', 400, ['Remote-User: bob', 'Remote-Groups: a', 'Remote-Groups: admins']],
  ['two Remote-Email lines', 400, ['Remote-User: bob', 'Remote-Email: a@b.c', 'Remote-Email: d@e.f']],
  ['a comma in the username', 400, ['Remote-User: bob, admin']],
  ['Connection: Remote-User', 400, ['Remote-User: bob', 'Connection: Remote-User']],
  ['Connection: close, remote_groups', 400, ['Remote-User: bob', 'Connection: close, remote_groups']],
  [
    'a second Connection line with Remote-Groups',
    400,
    ['Connection: close', 'Remote-User: b', 'Connection: Remote-Groups'],
  ],
  ['a folded header line (obs-fold)', 400, ['Remote-User: bob', ' admin']],
  ['a space before the colon', 400, ['Remote-User : bob']],
  ['a bare CR in a value', 400, [bytes('Remote-User: bob\rRemote-User: admin')]],
  ['NUL in a value', 400, [bytes('Remote-User: bob', [0], 'admin')]],
  ['DEL in the name', 400, ['Remote-User: bob', bytes('Remote-Name: a', [0x7f])]],
  ['a C1 control in the name', 400, ['Remote-User: bob', bytes('Remote-Name: a', [0xc2, 0x85])]],
  ['Latin-1 in the name', 400, ['Remote-User: bob', bytes('Remote-Name: Andr', [0xe9])]],
  ['overlong UTF-8 in the name', 400, ['Remote-User: bob', bytes('Remote-Name: a', [0xc0, 0xaf])]],
  ['a UTF-16 surrogate in the name', 400, ['Remote-User: bob', bytes('Remote-Name: a', [0xed, 0xa0, 0x80])]],
  ['a name of 501 characters', 400, ['Remote-User: bob', `Remote-Name: ${'n'.repeat(501)}`]],
  ['an email address with two @', 400, ['Remote-User: bob', 'Remote-Email: a@evil.com@corp.com']],
  ['two email addresses in one line', 400, ['Remote-User: bob', 'Remote-Email: a@b.c, d@e.f']],
  ['a group of 256 characters', 400, ['Remote-User: bob', `Remote-Groups: ${'g'.repeat(256)}`]],
  ['5,000 groups', 400, ['Remote-User: bob', `Remote-Groups: ${Array.from({ length: 5000 }, (_, i) => i).join()}`]],
  ['a username of 256 characters', 400, [`Remote-User: ${'u'.repeat(256)}`]],
  ['a colon in the username', 400, ['Remote-User: bob:secret']],
  ['a slash in the username', 400, ['Remote-User: ../_security/role/x']],
  ['a dot segment as the username', 400, ['Remote-User: ..']],
  ['a percent sign in the username', 400, ['Remote-User: bob%2fadmin']],
  ['a star as the username', 400, ['Remote-User: *']],
  ['a full-width username', 400, [bytes('Remote-User: ｅlastic')]],
  ['a Kelvin sign in the username', 400, [bytes('Remote-User: \u212aibana')]],
  ['groups without a username', 401, ['Remote-Groups: admins', 'Remote-Email: a@b.c']],
  ['an empty username', 401, ['Remote-User:   ', 'Remote-Groups: admins']],
  ['Remote-User in a query', 401, ['X-Forwarded-Uri: /?Remote-User=bob']],
  ['one header of 1 MB', 431, ['Remote-User: bob', `Remote-Groups: ${'g'.repeat(1024 * 1024)}`]],
  ['501 headers', 431, ['Remote-User: bob', ...Array.from({ length: 501 }, (_, i) => `X-${i}: 1`)]],
  [
    'Content-Length and Transfer-Encoding',
    400,
    ['Remote-User: bob', 'Content-Length: 5', 'Transfer-Encoding: chunked'],
  ],
  ['two Content-Lengths', 400, ['Remote-User: bob', 'Content-Length: 5', 'Content-Length: 6']],
  ...['elastic', 'ELASTIC', 'Kibana_System', '\t elastic ', '_xpack', '_xpack_security', 'logstash_system'].map(
    (name): [string, number, string[]] => [`the username ${JSON.stringify(name)}`, 403, [`Remote-User: ${name}`]],
  ),
]

for (const [what, status, lines] of rejected) {
  test(`rejects ${what} with ${status}, without a call to Elasticsearch`, async () => {
    const before = userCalls()
    const response = await request(...lines)
    assert.equal(response.status, status, response.head)
    assert.deepEqual(headersOf(response, 'authorization'), [])
    assert.doesNotMatch(response.body, /bob|admin|elastic"|evil|Andr/i)
    assert.equal(userCalls(), before)
  })
}

test('requests with rejected identity headers create no user', () => {
  assert.equal(elasticsearch.users.size, initialUsers)
})

test('ignores a Remote-User in the trailer of a chunked body', async () => {
  const body = '0\r\nRemote-User: bob\r\n\r\n'
  const lines = ['POST / HTTP/1.1', 'Host: elastauth', 'Transfer-Encoding: chunked', 'Trailer: Remote-User']
  assert.equal((await exchange(url, lines, { body })).status, 401)
})

test('does not respond to a request that is smuggled in a body', async () => {
  const connection = openRaw(url)
  const inner = 'GET /?smuggled HTTP/1.1\r\nHost: e\r\nRemote-User: smuggled\r\n\r\n'
  connection.sendLines('POST / HTTP/1.1', 'Host: e', 'Remote-User: carol', `Content-Length: ${inner.length}`, '')
  connection.sendLines(Buffer.from(inner), 'GET / HTTP/1.1', 'Host: e', 'Remote-User: dave', 'Connection: close', '')
  const names = [await connection.readResponse(), await connection.readResponse()].map(
    ({ body }) => JSON.parse(body).username,
  )
  assert.deepEqual([...names, await connection.closed], ['carol', 'dave', ''])
})

test('trims groups, drops empty and duplicate groups, and assigns each role once', async () => {
  const username = newUsername()
  const response = await request(`Remote-User: ${username}`, 'Remote-Groups:  ,admins ,, team-a,admins,\tteam-b ,')
  assert.deepEqual(JSON.parse(response.body).groups, ['admins', 'team-a', 'team-b'])
  assert.deepEqual(elasticsearch.users.get(username)?.roles, ['editor', 'viewer'])
  assert.deepEqual(elasticsearch.users.get(username)?.metadata.groups, ['admins', 'team-a', 'team-b'])
})

test('accepts 1,000 groups in Remote-Groups, and rejects 1,001', async () => {
  const groups = (length: number) => `Remote-Groups: ${Array.from({ length }, (_, i) => `g${i}`).join()}`
  const statusOf = async (length: number) => (await request(`Remote-User: ${newUsername()}`, groups(length))).status
  assert.deepEqual(await Promise.all([statusOf(1000), statusOf(1001)]), [200, 400])
})

test('decodes Remote-Name as UTF-8, and does not percent-decode it', async () => {
  for (const name of ['Zoë Šimić 山田', 'J%C3%BCrgen', 'a'.repeat(500)]) {
    const username = newUsername()
    const response = await request(`Remote-User: ${username}`, bytes(`Remote-Name: ${name}`))
    assert.equal(JSON.parse(response.body).name, name)
    assert.equal(elasticsearch.users.get(username)?.full_name, name)
    const head = response.head.replace(/^authorization:.*$/im, '') // base64 may contain these letters by chance
    assert.doesNotMatch(head, /Zo|J%C3|aaa/)
  }
})

test('accepts an email address at an internationalized domain, and ignores an empty email address', async () => {
  const withEmail = (email: string) => request(`Remote-User: ${newUsername()}`, bytes(`Remote-Email: ${email}`))
  assert.equal(JSON.parse((await withEmail('zoë@müller.example')).body).email, 'zoë@müller.example')
  assert.equal('email' in JSON.parse((await withEmail('')).body), false)
})

test('usernames that differ only in case are two users with separate passwords', async () => {
  const [upper, lower] = [await request('Remote-User: Erika'), await request('Remote-User: erika')]
  const logins = await Promise.all([upper, lower].map((response) => logIn(headersOf(response, 'authorization')[0])))
  assert.deepEqual(
    logins.map(({ body }) => body.username),
    ['Erika', 'erika'],
  )
  assert.notEqual(elasticsearch.users.get('Erika')?.password, elasticsearch.users.get('erika')?.password)
})

test('accepts a Connection header that names no identity header', async () => {
  assert.equal((await request('Remote-User: bob', 'Connection: close, X-Forwarded-For')).status, 200)
})

test("logs which rule an identity header violates, and not the header's value", async () => {
  await request('Remote-User: hunter2, hunter3')
  const line = await logged((entry) => entry['error.code'] === 'identity_invalid')
  assert.match(line.message!, /^GET \/ 400 /)
})
