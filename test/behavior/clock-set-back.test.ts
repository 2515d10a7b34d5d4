import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createFixture, sendSubRequest } from './fixture.ts'

const { elasticsearch, start, logIn } = await createFixture()
const nodeArguments = ['--import', fileURLToPath(new URL('../support/clock-set-back.ts', import.meta.url))]

test('readiness, background checks and repair of users continue after the clock is set back by an hour', async () => {
  const gateway = await start({ flags: { 'cache.revalidate': '1s' }, nodeArguments })
  const ready = async () => (await fetch(`${gateway.url}/elastauth/ready`)).status
  const waitUntil = async (condition: () => Promise<boolean>) => {
    while (!(await condition())) await sleep(100)
  }
  assert.equal((await sendSubRequest(gateway.url, 'bob')).status, 200)
  assert.equal(await ready(), 200)
  gateway.process.kill('SIGUSR2')
  await gateway.logged(({ message }) => message === 'the clock was set back')

  elasticsearch.faults.response = 'unavailable'
  await waitUntil(async () => (await ready()) === 503)
  elasticsearch.faults.response = 'normal'
  await waitUntil(async () => (await ready()) === 200)

  elasticsearch.users.set('bob', { ...elasticsearch.users.get('bob')!, password: 'changed by someone else' })
  await waitUntil(
    async () => (await logIn((await sendSubRequest(gateway.url, 'bob')).headers.get('authorization'))).status === 200,
  )
})
