import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { connect } from 'node:tls'
import { type Certificate, createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { authority, caFile, pemFile, tlsFlags } from '../support/tls-files.ts'
import { portOf } from '../support/upstream.ts'
import { curlStatus } from './curl.ts'
import { runElastauth } from './elastauth-command.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture()
const clients = createCertificateAuthority('clients')
const clientCa = pemFile('clients-ca.crt', clients.cert)

function asArgs({ cert, key }: Certificate, name: string): string[] {
  return ['--cert', pemFile(`${name}.crt`, cert), '--key', pemFile(`${name}.key`, key)]
}
const good = asArgs(clients.issue('traefik', { names: ['traefik.internal', 'traefik'] }), 'good')
const bad = {
  none: [],
  "another CA's": asArgs(createCertificateAuthority('others').issue('traefik'), 'other'),
  expired: asArgs(clients.issue('traefik', { expired: true }), 'expired'),
  "the listener's own CA's": asArgs(authority.issue('traefik'), 'own-ca'),
}

const certified = { ...tlsFlags(), trusted_proxies: 'client_cert', 'tls.client_ca': clientCa }
const [requesting, requiring, named] = await Promise.all([
  start({ flags: { ...certified, 'tls.client_auth': 'request' } }),
  start({ flags: { ...certified, 'tls.client_auth': 'require' } }),
  start({ flags: { ...certified, 'tls.client_auth': 'request', 'tls.client_names': 'traefik.internal,other' } }),
])

function ask({ url }: { url: string }, ...args: string[]): Promise<string> {
  return curlStatus('--cacert', caFile, '-H', 'Remote-User: bob', ...args, url)
}

for (const flag of ['--http2', '--http1.1']) {
  describe(`with trusted_proxies: client_cert, by ${flag}`, () => {
    test('who shows a certificate of that CA is trusted', async () => {
      assert.equal(await ask(requesting, flag, ...good), '200')
      assert.equal(await ask(requiring, flag, ...good), '200')
    })

    for (const [what, args] of Object.entries(bad)) {
      test(`with ${what} certificate: a stranger where one is requested, out where it is required`, async () => {
        assert.equal(await ask(requesting, flag, ...args), '401')
        assert.equal(await ask(requiring, flag, ...args), '000')
      })
    }
  })
}

test('a CA that only has the same name vouches for nobody', async () => {
  const forged = asArgs(createCertificateAuthority('clients').issue('traefik'), 'forged')
  for (const gateway of [requesting, requiring]) assert.notEqual(await ask(gateway, ...forged), '200')
  assert.equal(await ask(requesting, ...good), '200')
})

test('tls.client_names: only certificates with one of the names, in whole', async () => {
  let count = 0
  const status = (commonName: string, ...names: string[]) =>
    ask(named, ...asArgs(clients.issue(commonName, { names }), `named-${count++}`))
  assert.equal(await status('x', 'traefik.internal'), '200')
  assert.equal(await status('x', 'a', 'traefik.internal'), '200')
  assert.equal(await status('other', 'x'), '200')
  assert.equal(await status('x', 'y'), '401')
  assert.equal(await status('x', 'evil.traefik.internal'), '401')
  assert.equal(await status('x', 'traefik.internal.evil'), '401')
  assert.equal(await status('x', 'a, DNS:traefik.internal'), '401')
  assert.equal(await status('x\nCN=other', 'a'), '401')
  assert.equal(await status('Other', 'TRAEFIK.internal'), '401')
})

test('an address beside client_cert counts by itself', async () => {
  const both = await start({
    flags: { ...certified, 'tls.client_auth': 'request', trusted_proxies: 'client_cert,loopback' },
  })
  assert.equal(await ask(both), '200')
})

test('no session is resumed: a certificate is verified each time', async () => {
  const { cert, key } = clients.issue('resuming')
  const shake = async (session?: Buffer, maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3') => {
    const options = { host: '127.0.0.1', port: portOf(requesting), ca: authority.cert, cert, key, maxVersion }
    const socket = connect({ ...options, ...(session && { session }) })
    let ticket: Buffer | undefined
    socket.on('session', (given) => {
      ticket = given
    })
    await once(socket, 'secureConnect')
    socket.write('GET /elastauth/health HTTP/1.1\r\nHost: es\r\n\r\n')
    await once(socket, 'data')
    const isReused = socket.isSessionReused()
    socket.destroy()
    return { ticket, isReused }
  }
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { ticket } = await shake(undefined, version)
    assert.equal((await shake(ticket, version)).isReused, false)
  }
})

test('SIGHUP reads the CA again: whom it no longer vouches for is a stranger on new connections', async () => {
  const own = pemFile('renewed-ca.crt', clients.cert)
  const renewing = await start({ flags: { ...certified, 'tls.client_auth': 'request', 'tls.client_ca': own } })
  assert.equal(await ask(renewing, ...good), '200')
  writeFileSync(own, createCertificateAuthority('later').cert)
  renewing.process.kill('SIGHUP')
  await renewing.logged(({ message = '' }) => message.startsWith('configuration reloaded'))
  assert.equal(await ask(renewing, ...good), '401')
})

test('elastauth health says that a certificate is asked of it, and that is an answer', async () => {
  const { code, stdout } = await runElastauth(['health', '--listen', `https://127.0.0.1:${portOf(requiring)}`])
  assert.deepEqual([code, /asks for a client certificate/.test(stdout)], [0, true])
})
