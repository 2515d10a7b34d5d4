import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from '../support/property.ts'
import { exchange } from '../support/raw-http.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture()
const { url } = await start()
const names = ['Remote-User', 'Remote-Groups', 'Remote-Email', 'Remote-Name'] as const

let users = 0

/** The status of a request with these header values, byte for byte. Each has a user of its own: the groups of one are written only once in 5 s. */
async function statusOf(values: Partial<Record<(typeof names)[number], Uint8Array | string>>): Promise<number> {
  const lines = Object.entries({ 'Remote-User': `user-${users++}`, ...values }).map(([name, value]) =>
    Buffer.concat([Buffer.from(`${name}: `), Buffer.from(value as string), Buffer.from('\r\n')]),
  )
  return (await exchange(url, ['GET / HTTP/1.1', 'Host: elastauth', ...lines, 'Connection: close'])).status
}

test('an identity header with any byte gets 200, 400, 401 or 403', async () => {
  const statuses = new Set<number>()
  for (const name of names) {
    for (let byte = 0; byte < 256; byte++) {
      const values = [[byte], [0x61, byte, 0x62], [0x61, byte]].map((value) => Buffer.from(value))
      for (const status of await Promise.all(values.map((value) => statusOf({ [name]: value })))) {
        assert.ok([200, 400, 401, 403].includes(status), `${status} for byte ${byte} in ${name}`)
        statuses.add(status)
      }
    }
  }
  assert.ok(statuses.has(200) && statuses.has(400))
})

test('identity headers of random bytes and lengths get 200, 400, 401, 403 or 431, and the next request gets 200', async () => {
  const texts = ['a', 'é', ',', ' ', 'a,', '@', '\u2028', '\u{1f600}']
  const counts = [0, 1, 254, 255, 256, 320, 321, 499, 500, 501, 1000, 1001, 16_000, 33_000, 70_000]
  const value = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array).filter((byte) => byte !== 13 && byte !== 10)),
    fc.string({ unit: 'binary', maxLength: 40 }).map((text) => Buffer.from(text.replace(/[\r\n]/g, ''))),
    fc
      .tuple(fc.constantFrom(...texts), fc.constantFrom(...counts))
      .map(([text, count]) => Buffer.from(text.repeat(count))),
  )
  const values = fc.dictionary(fc.constantFrom(...names), value)
  await fc.assert(
    fc.asyncProperty(values, async (given) => {
      const status = await statusOf(given)
      assert.ok([200, 400, 401, 403, 431].includes(status), String(status))
    }),
    { numRuns: 300 },
  )
  assert.equal(await statusOf({}), 200)
})
