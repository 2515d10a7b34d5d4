import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LogLine, testKey } from '../support/gateway.ts'
import { findFreePort, isListening } from '../support/port.ts'
import { openRaw } from '../support/raw-http.ts'
import { portOf } from '../support/upstream.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture, sendSubRequest } from './fixture.ts'

const { elasticsearch, start, logIn } = await createFixture()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`after ${signal}, the gateway finishes requests in flight, accepts no new connections, and exits with 0`, async () => {
    const listen = `127.0.0.1:${await findFreePort()}` // which no other program gets while the test looks at it
    const gateway = await start({ flags: { listen, shutdown_timeout: '1m' } })
    const { socket: idle } = openRaw(gateway.url)
    await once(idle, 'connect')
    const release = elasticsearch.holdWrites()
    const inFlight = sendSubRequest(gateway.url, `slow-${signal}`)
    await elasticsearch.whenHeld(1)
    const exited = new Promise((resolve) => gateway.process.once('close', resolve))
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

test('a request that outlasts shutdown_timeout is aborted, and the gateway exits with 0', async (context) => {
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

test("SIGUSR1 does not open Node's inspector, which would let every program on the machine run code in the gateway", async () => {
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

test('SIGHUP logs which keys have changed, but not their values, and says so if none has', async () => {
  const config = join(directory, 'changes.yml')
  writeFileSync(config, 'admin_roles: [viewer]\n')
  const gateway = await start({ flags: { config } })
  const reload = async (text: string) => {
    const seenLines = gateway.log.length
    writeFileSync(config, text)
    gateway.process.kill('SIGHUP')
    const isNew = (line: LogLine) => gateway.log.indexOf(line) >= seenLines
    return (await gateway.logged((line) => isNew(line) && /^configuration /.test(line.message ?? ''))).message
  }
  const secret = 'proxy_secret: a-shared-secret-of-32-characters\n'
  assert.equal(
    await reload(`${secret}admin_roles: [superuser]\nenable_metrics: true\n`),
    'configuration reloaded: proxy_secret, admin_roles changed; the certificates were read again; these changed keys need a restart: enable_metrics',
  )
  assert.equal(
    await reload(`${secret}admin_roles: [superuser]\n`),
    'configuration reloaded: no key that a reload applies has changed; the certificates were read again',
  )
})

test('SIGHUP during the start does not end the process, and reloads the configuration after the start', async () => {
  // elastauth waits while it opens a named pipe, until the test opens it too.
  const config = join(directory, 'pipe.yml')
  execFileSync('mkfifo', [config])
  const main = join(import.meta.dirname, '../../src/main.ts')
  const child = spawn(process.execPath, [main, '--config', config, '--listen', '127.0.0.1:0'], {
    env: { PATH: process.env.PATH, ELASTAUTH_SECRET_KEY: testKey, ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  after(() => child.kill())
  const pipe = await open(config, 'w')
  child.kill('SIGHUP')
  rmSync(config)
  writeFileSync(config, 'admin_roles: [superuser]\n')
  await pipe.writeFile('admin_roles: [viewer]\n')
  await pipe.close()
  let isReloaded = false
  for await (const line of createInterface({ input: child.stdout })) {
    isReloaded = line.includes('configuration reloaded: admin_roles changed')
    if (isReloaded) break
  }
  assert.ok(isReloaded)
})

test('an address in use is reported with the file and line that set it', async () => {
  const { port } = new URL((await start()).url)
  const config = join(directory, 'in-use.yml')
  writeFileSync(config, `elasticsearch: { dry_run: true }\nlisten:\n  - "127.0.0.1:0"\n  - "127.0.0.1:${port}"\n`)
  const { code, stderr } = await runElastauth(['--config', config], { ELASTAUTH_SECRET_KEY: testKey })
  assert.equal(code, 1)
  assert.match(
    stderr,
    new RegExp(`${config}:4 +listen\\[1\\] +is in use by another program \\(127\\.0\\.0\\.1:${port}\\)`),
  )
})

test('the gateway keeps serving after the reader of its log has closed the pipe', async () => {
  const gateway = await start()
  gateway.process.stdout!.destroy()
  for (let i = 0; i < 20; i++) assert.equal((await sendSubRequest(gateway.url, 'bob')).status, 200)
})
