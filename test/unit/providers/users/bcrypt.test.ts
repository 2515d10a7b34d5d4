import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareBcrypt } from '../../../../src/providers/users/bcrypt.ts'

/** Of the password `correct`, with the lowest cost. */
const hash = '$2b$04$VzEl.rCj3WjDNHUT/A1SROz7FoHFbqY1snzq/sfd5JExQDlBNop5m'

test('a comparison that ends the thread for bcrypt fails alone, and those before and after it get their results', async () => {
  for (let i = 0; i < 3; i++) {
    const results = await Promise.allSettled([
      compareBcrypt('correct', hash),
      compareBcrypt('correct', 'x'.repeat(60)),
      compareBcrypt('wrong', hash),
      compareBcrypt('correct', 'x'.repeat(60)),
      compareBcrypt('correct', hash),
    ])
    const outcomes = results.map((one) => (one.status === 'fulfilled' ? one.value : /Invalid salt/.test(one.reason)))
    assert.deepEqual(
      results.map(({ status }) => status === 'fulfilled'),
      [true, false, true, false, true],
    )
    assert.deepEqual(outcomes, [true, true, false, true, true])
  }
})

test('after the thread for bcrypt has failed, the next comparison gets a thread of its own and its result', async () => {
  for (let i = 0; i < 3; i++) {
    await assert.rejects(compareBcrypt('correct', 'x'.repeat(60)), /Invalid salt/) // an error in the thread ends it
    assert.equal(await compareBcrypt('correct', hash), true)
    assert.equal(await compareBcrypt('wrong', hash), false)
  }
})
