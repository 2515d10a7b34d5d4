import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFrames, requestFields, requestFrame, responseOutcome } from '../support/http2-frames.ts'
import { tlsFlags } from '../support/tls-files.ts'
import { portOf } from '../support/upstream.ts'
import { createFixture } from './fixture.ts'
import { createProviderFor, startTokens } from './oidc-gateway.ts'

const fixture = await createFixture()
const idp = await createProviderFor()
const gateway = await startTokens(fixture, idp, { flags: { ...tlsFlags(), 'oidc.token_header': 'X-Token' } })
const token = await idp.sign()
const [start, end] = [token.slice(0, 40), token.slice(40)]

type Field = readonly [name: string, value: string]
const rows: [what: string, fields: Field[], status: string][] = [
  ['a token', [['authorization', `Bearer ${token}`]], '200'],
  ['a token in the header oidc.token_header', [['x-token', token]], '200'],
  [
    'a token in one of many cookie fields',
    [
      ['cookie', 'a=1'],
      ['cookie', `id_token=${token}`],
      ['cookie', 'b=2'],
    ],
    '200',
  ],
  [
    'two authorization fields',
    [
      ['authorization', `Bearer ${token}`],
      ['authorization', 'Basic eDp5'],
    ],
    '400',
  ],
  [
    'two authorization fields, the valid one last',
    [
      ['authorization', 'Basic eDp5'],
      ['authorization', `Bearer ${token}`],
    ],
    '400',
  ],
  [
    'two token headers',
    [
      ['x-token', token],
      ['x-token', token],
    ],
    '400',
  ],
  [
    'two cookies of the same name',
    [
      ['cookie', `id_token=${token}`],
      ['cookie', `id_token=${token}`],
    ],
    '401',
  ],
  [
    'a token that is split over two cookie fields',
    [
      ['cookie', `id_token=${start}`],
      ['cookie', end],
    ],
    '401',
  ],
  ['no token', [], '401'],
]

test('tokens are accepted and rejected over HTTP/2 as over HTTP/1.1', async (t) => {
  const connection = await openFrames(portOf(gateway))
  for (const [index, [what, fields, status]] of rows.entries()) {
    const stream = 2 * index + 1
    await t.test(`over HTTP/2, ${what} gets ${status}`, async () => {
      connection.send(requestFrame(stream, requestFields({}, ...fields)))
      assert.equal(await responseOutcome(connection, stream), status)
    })
  }
  connection.destroy()
})
