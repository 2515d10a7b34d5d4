import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { testKey } from '../support/gateway.ts'
import { startProxy, startUpstream } from '../support/upstream.ts'
import { curl, curlStatus } from './curl.ts'
import { type CommandResult, runElastauth, runHealth } from './elastauth-command.ts'
import { createFixture } from './fixture.ts'

const { start, elasticsearchUrl } = await createFixture()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

let count = 0
const newPath = () => join(directory, `${count++}.sock`)

const asBob = ['-H', 'Remote-User: bob', 'http://elastauth/']

/** Runs `elastauth` with a listener that cannot be opened. */
function runWith(listen: string): Promise<CommandResult> {
  const flags = ['--listen', listen, '--default_roles', 'viewer', '--elasticsearch.hosts', elasticsearchUrl]
  const account = { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' }
  return runElastauth(flags, { ELASTAUTH_SECRET_KEY: testKey, ...account })
}

/** @returns the reason why this machine cannot test IPv6, or false */
function skipWithoutIpv6(): string | false {
  const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))
  return hasIpv6 ? false : 'no IPv6 on this machine'
}

describe('several listeners', () => {
  test('several listeners all respond, and the start line of the log names each of them', async () => {
    const path = newPath()
    const gateway = await start({ flags: { listen: `127.0.0.1:0,http://127.0.0.2:0,unix:${path}` } })
    const { message } = await gateway.logged(({ message = '' }) => message.includes('listens on'))
    const [, first, second] = /listens on (http:\S+), (http:\S+), (unix:\S+) as/.exec(message!)!
    for (const url of [first!, second!]) assert.equal((await fetch(`${url}/elastauth/health`)).status, 200)
    assert.equal(await curlStatus('--unix-socket', path, 'http://elastauth/elastauth/health'), '200')
  })

  test("the image's ELASTAUTH_LISTEN accepts connections over IPv4 and IPv6", { skip: skipWithoutIpv6() }, async () => {
    const [, address = ''] =
      /ELASTAUTH_LISTEN=(\S+)/.exec(readFileSync(join(import.meta.dirname, '../../Dockerfile'), 'utf8')) ?? []
    const gateway = await start({ flags: { listen: address.replace(':5000', ':0') } })
    const { port } = new URL(gateway.url)
    for (const host of ['127.0.0.1', '[::1]'])
      assert.equal(await curlStatus(`http://${host}:${port}/elastauth/health`), '200', host)
  })

  test('the log shows an IPv4 client of a listener for both versions as an IPv4 address', {
    skip: skipWithoutIpv6(),
  }, async () => {
    const gateway = await start({ flags: { listen: ':0' } })
    const { port } = new URL(gateway.url)
    await curlStatus(`http://127.0.0.1:${port}/`)
    const line = await gateway.logged((entry) => entry['url.path'] === '/')
    assert.equal(line['client.ip'], '127.0.0.1')
  })

  test('if one of several listeners cannot be opened, the others are closed, and the error names the failed listener', async () => {
    const occupant = createServer().listen(0, '127.0.0.1')
    await once(occupant, 'listening')
    const { port } = occupant.address() as { port: number }
    const path = newPath()
    const { code, stderr } = await runWith(`unix:${path},127.0.0.1:${port}`)
    occupant.close()
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`listen.*in use.*127\\.0\\.0\\.1:${port}`))
    assert.equal(existsSync(path), false)
  })

  test('several listeners must not have the same address', async () => {
    const { code, stderr } = await runWith('127.0.0.1:5999,http://127.0.0.1:5999')
    assert.deepEqual([code, /listen\[1\].*same address as listen\[0\]/.test(stderr)], [1, true])
  })

  test('several listeners share max_connections', async () => {
    const path = newPath()
    const gateway = await start({ flags: { listen: `127.0.0.1:0,unix:${path}`, max_connections: '1' } })
    const held = connect({ path })
    await once(held, 'connect')
    const status = () => curlStatus(`${gateway.url}/elastauth/health`)
    while ((await status()) !== '000') await sleep(10)
    held.destroy()
    while ((await status()) !== '200') await sleep(10)
  })
})

describe('a unix socket', () => {
  test('a unix socket is trusted only if trusted_proxies contains unix or all', async () => {
    for (const [trusted_proxies, expected] of [
      ['unix', '200'],
      ['loopback,unix', '200'],
      ['all', '200'],
      ['loopback,private', '401'],
      ['0.0.0.0/0,::/0', '401'],
      ['none', '401'],
    ] as const) {
      const path = newPath()
      await start({ flags: { listen: `127.0.0.1:0,unix:${path}`, trusted_proxies } })
      assert.equal(await curlStatus('--unix-socket', path, ...asBob), expected, trusted_proxies)
    }
  })

  test('trusted_proxies: unix does not make requests on a TCP listener trusted', async () => {
    const gateway = await start({ flags: { listen: `127.0.0.1:0,unix:${newPath()}`, trusted_proxies: 'unix' } })
    assert.equal(await curlStatus('-H', 'Remote-User: bob', gateway.url), '401')
  })

  test('a unix socket is created with the permissions of listen_mode', async () => {
    for (const [mode, expected] of [
      [undefined, 0o660],
      ['0600', 0o600],
      ['666', 0o666],
    ] as const) {
      const path = newPath()
      await start({ flags: { listen: `127.0.0.1:0,unix:${path}`, ...(mode && { listen_mode: mode }) } })
      assert.equal(lstatSync(path).mode & 0o777, expected)
    }
  })

  test('a unix socket is removed when elastauth exits', async () => {
    const path = newPath()
    const gateway = await start({ flags: { listen: `127.0.0.1:0,unix:${path}` } })
    assert.ok(lstatSync(path).isSocket())
    assert.equal(await gateway.stop(), 0)
    assert.equal(existsSync(path), false)
  })

  test('a stale unix socket is replaced', async () => {
    const path = newPath()
    const killed = await start({ flags: { listen: `127.0.0.1:0,unix:${path}` } })
    killed.process.kill('SIGKILL')
    await once(killed.process, 'exit')
    const staleInode = lstatSync(path).ino
    await start({ flags: { listen: `127.0.0.1:0,unix:${path}` } })
    assert.notEqual(lstatSync(path).ino, staleInode)
    assert.equal(await curlStatus('--unix-socket', path, 'http://elastauth/elastauth/health'), '200')
  })

  test('a unix socket is not replaced while another process listens on it', async () => {
    const path = newPath()
    await start({ flags: { listen: `127.0.0.1:0,unix:${path}` } })
    const { code, stderr } = await runWith(`unix:${path}`)
    assert.equal(code, 1)
    assert.match(stderr, /listen.*in use/)
    assert.equal(await curlStatus('--unix-socket', path, 'http://elastauth/elastauth/health'), '200')
  })

  test('a unix socket never replaces a file, a directory or a symbolic link, even if the link is dangling', async () => {
    const file = newPath()
    writeFileSync(file, 'precious')
    const link = newPath()
    symlinkSync(file, link)
    const dangling = newPath()
    symlinkSync(newPath(), dangling)
    for (const path of [file, link, dangling, directory]) {
      const { code, stderr } = await runWith(`unix:${path}`)
      assert.equal(code, 1)
      assert.match(stderr, /exists and is not a socket/)
    }
    assert.ok(lstatSync(link).isSymbolicLink() && lstatSync(dangling).isSymbolicLink())
  })

  test('a file that has replaced a unix socket is not removed at shutdown', async () => {
    const path = newPath()
    const gateway = await start({ flags: { listen: `127.0.0.1:0,unix:${path}` } })
    rmSync(path)
    writeFileSync(path, 'precious')
    assert.equal(await gateway.stop(), 0)
    assert.ok(lstatSync(path).isFile())
  })

  test('a unix socket in a missing directory causes an error that names the directory', async () => {
    const { code, stderr } = await runWith(`unix:${directory}/nowhere/x.sock`)
    assert.equal(code, 1)
    assert.match(stderr, /listen.*nowhere\/x\.sock, ENOENT\): create the directory/)
  })

  test('a unix socket works in proxy mode, which forwards the client address as unknown', async () => {
    const upstream = await startUpstream(({ headers }, response) => response.end(headers['x-forwarded-for']))
    const path = newPath()
    await startProxy(upstream.url, { flags: { listen: `127.0.0.1:0,unix:${path}`, trusted_proxies: 'unix' } })
    assert.equal(await curl('--unix-socket', path, ...asBob), 'unknown')
    assert.equal(await curlStatus('--unix-socket', path, '--http1.0', ...asBob), '505')
    assert.equal(await curlStatus('--unix-socket', path, '--http1.0', 'http://elastauth/elastauth/health'), '200')
  })

  test('a unix socket accepts sub-requests over HTTP/1.0 in auth-only mode, and the responses have a length', async () => {
    const path = newPath()
    await start({ flags: { listen: `127.0.0.1:0,unix:${path}`, trusted_proxies: 'unix' } })
    assert.equal(
      await curlStatus('--unix-socket', path, '--http1.0', '-H', 'Remote-User: bob', 'http://elastauth/'),
      '200',
    )
  })
})

describe('elastauth health', () => {
  test('elastauth health can check a unix socket', async () => {
    const path = newPath()
    const gateway = await start({ flags: { listen: `127.0.0.1:0,unix:${path}` } })
    const { code, stdout } = await runHealth(['--listen', `unix:${path}`])
    assert.deepEqual([code, /unix:.*responded with 200/.test(stdout)], [0, true])
    await gateway.stop()
    const afterStop = await runHealth(['--listen', `unix:${path}`])
    assert.deepEqual([afterStop.code, /does not respond/.test(afterStop.stderr)], [1, true])
  })

  test('elastauth health succeeds if one of several listeners responds', async () => {
    const gateway = await start()
    const { host } = new URL(gateway.url)
    const { code } = await runHealth(['--listen', `unix:${newPath()},${host}`])
    assert.equal(code, 0)
  })
})
