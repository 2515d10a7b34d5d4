import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isListening } from '../support/port.ts'
import { openRaw } from '../support/raw-http.ts'
import { portOf } from '../support/upstream.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

const { elasticsearch, start, logIn } = await createFixture()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`after ${signal}, the gateway finishes requests in flight, accepts no new connections, and exits with 0`, {
    timeout: 50_000,
  }, async () => {
    const gateway = await start({ flags: { shutdown_timeout: '1m' } })
    const { socket: idle } = openRaw(gateway.url)
    await once(idle, 'connect')
    const release = elasticsearch.holdWrites()
    const inFlight = sendSubRequest(gateway.url, `slow-${signal}`)
    await elasticsearch.whenHeld(1)
    const exited = new Promise((resolve) => gateway.process.once('exit', resolve))
    gateway.process.kill(signal)
    await gateway.logged(({ message = '' }) => message.startsWith('stopping'))
    while (await isListening(portOf(gateway))) await sleep(5)
    release()
    const response = await inFlight
    assert.deepEqual([response.status, response.headers.get('connection')], [200, 'close'])
    assert.equal((await logIn(response.headers.get('authorization'))).status, 200)
    assert.equal(await exited, 0)
    idle.destroy()
    assert.ok(gateway.log.some(({ message }) => message === 'stopped'))
    assert.ok(
      gateway.log.some((line) => line['user.name'] === `slow-${signal}` && line['http.response.status_code'] === 200),
    )
  })
}

test('a request that outlasts shutdown_timeout is aborted, and the gateway exits with 0', {
  timeout: 50_000,
}, async (context) => {
  context.after(() => {
    elasticsearch.faults.response = 'normal'
  })
  const gateway = await start({ flags: { shutdown_timeout: '200ms', 'elasticsearch.timeout': '1m' } })
  elasticsearch.faults.response = 'hang'
  const inFlight = assert.rejects(sendSubRequest(gateway.url, 'never'))
  while (!elasticsearch.calls.some(({ path }) => path.endsWith('/never'))) await new Promise(setImmediate)
  assert.equal(await gateway.stop(), 0)
  await inFlight
})

test("SIGUSR1 does not open Node's inspector, which would let every program on the machine run code in the gateway", {
  timeout: 20_000,
}, async () => {
  const gateway = await start({})
  gateway.process.kill('SIGUSR1')
  await gateway.logged(({ message = '' }) => message.startsWith('SIGUSR1 is ignored'))
  assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
  assert.equal(await gateway.stop(), 0)
  assert.doesNotMatch(gateway.output(), /debugger/i)
})

test('SIGHUP applies a valid configuration file at once, and logs why an invalid file is not applied', async () => {
  const config = join(directory, 'reloaded.yml')
  const map = (roles: string) => writeFileSync(config, `group_mappings:\n  writers: ${roles}\n`)
  map('[editor]')
  const gateway = await start({ flags: { config } })
  const rolesOf = async (username: string) => {
    const response = await sendSubRequest(gateway.url, username, { 'Remote-Groups': 'writers' })
    return (await logIn(response.headers.get('authorization'))).body.roles
  }
  assert.deepEqual(await rolesOf('ann'), ['editor'])

  map('[kibana_admin]')
  gateway.process.kill('SIGHUP')
  await gateway.logged(({ message = '' }) => message.startsWith('configuration reloaded'))
  assert.deepEqual([await rolesOf('ann'), await rolesOf('ben')], [['kibana_admin'], ['kibana_admin']])

  writeFileSync(config, 'group_mapings:\n  writers: [superuser]\n')
  gateway.process.kill('SIGHUP')
  const line = await gateway.logged(({ message = '' }) => message.startsWith('configuration not reloaded'))
  assert.match(line.message!, /group_mapings.*group_mappings/s)
  assert.deepEqual([await rolesOf('ann'), await rolesOf('carl')], [['kibana_admin'], ['kibana_admin']])
  assert.equal(gateway.process.exitCode, null)
})

test('SIGHUP does not apply a truncated configuration file, and keeps the settings of an earlier reload', async () => {
  const config = join(directory, 'half-written.yml')
  const roles = 'default_roles: [viewer]\n'
  writeFileSync(config, roles)
  const gateway = await start({ flags: { config } })
  writeFileSync(config, `${roles}group_mappings:\n  writers: [editor]\n`)
  gateway.process.kill('SIGHUP')
  const first = await gateway.logged(({ message = '' }) => message.startsWith('configuration reloaded'))

  writeFileSync(config, roles)
  gateway.process.kill('SIGHUP')
  const second = await gateway.logged(
    (line) => line !== first && /^configuration (not )?reloaded/.test(line.message ?? ''),
  )
  assert.match(second.message!, /not reloaded.*group_mappings/s)
  const response = await sendSubRequest(gateway.url, 'dora', { 'Remote-Groups': 'writers' })
  assert.deepEqual((await logIn(response.headers.get('authorization'))).body.roles, ['editor'])
})

test('the gateway keeps serving after the reader of its log has closed the pipe', async () => {
  const gateway = await start()
  gateway.process.stdout!.destroy()
  for (let i = 0; i < 20; i++) assert.equal((await sendSubRequest(gateway.url, 'bob')).status, 200)
})
