import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { createUserTunnels } from '../../../../src/proxy/websocket/user-tunnels.ts'

function createTestBed() {
  const ends = new Map<string, number | Error>()
  const reads: string[] = []
  const closed: string[] = []
  const tunnels = createUserTunnels({
    async readEnd(username) {
      reads.push(username)
      const end = ends.get(username) ?? 0
      if (end instanceof Error) throw end
      return end
    },
    intervalMs: 60_000,
    onClosed: (username, count) => closed.push(`${username} ${count}`),
  })
  const names: string[] = []
  const add = (name: string, username: string, authenticatedAt: number) => {
    const remove = tunnels.add({ username, authenticatedAt }, () => {
      names.push(name)
      remove()
    })
    return remove
  }
  return { ...tunnels, add, ends, reads, closed, names }
}

test('a check closes the tunnels of sign-ins from before a revocation, and keeps the others', async () => {
  const { add, check, ends, closed, names } = createTestBed()
  add('old', 'alice', 99)
  add('new', 'alice', 100)
  add('without a time', 'alice', Number.MAX_SAFE_INTEGER)
  add('other user', 'bob', 1)
  ends.set('alice', 100)
  await check('alice')
  assert.deepEqual([names, closed], [['old'], ['alice 1']])
  ends.set('alice', Number.POSITIVE_INFINITY)
  await check('alice')
  assert.deepEqual(
    [names, closed],
    [
      ['old', 'new', 'without a time'],
      ['alice 1', 'alice 2'],
    ],
  )
  add('again', 'alice', 101)
  ends.set('alice', 100)
  await check('alice')
  assert.equal(names.length, 3)
})

test('a check of a user without tunnels reads nothing, and one that fails closes nothing', async () => {
  const { add, check, ends, reads, names } = createTestBed()
  await check('alice')
  assert.deepEqual(reads, [])
  add('one', 'alice', 1)()
  await check('alice')
  assert.deepEqual(reads, [])
  add('two', 'alice', 1)
  ends.set('alice', new Error('down'))
  await check('alice')
  assert.deepEqual([reads, names], [['alice'], []])
})

test('every user with tunnels is checked at the interval, and the timer stops with the last tunnel', async () => {
  mock.timers.enable({ apis: ['setInterval'] })
  try {
    const { add, ends, reads, names } = createTestBed()
    const remove = add('kept', 'alice', 1)
    add('ended', 'bob', 1)
    ends.set('bob', 2)
    const tick = async () => {
      mock.timers.tick(60_000)
      for (let i = 0; i < 10; i++) await Promise.resolve()
    }
    await tick()
    assert.deepEqual([reads, names], [['alice', 'bob'], ['ended']])
    await tick()
    assert.deepEqual(reads, ['alice', 'bob', 'alice'])
    remove()
    await tick()
    assert.equal(reads.length, 3)
    add('later', 'carol', 1)
    await tick()
    assert.deepEqual(reads.slice(3), ['carol'])
  } finally {
    mock.timers.reset()
  }
})
