import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { connect } from 'node:tls'
import { type Certificate, createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { authority, caFile, tlsFlags, writePem } from '../support/tls-files.ts'
import { portOf } from '../support/upstream.ts'
import { curlStatus } from './curl.ts'
import { runHealth } from './elastauth-command.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture()
const clients = createCertificateAuthority('clients')
const clientCa = writePem('clients-ca.crt', clients.cert)

function curlArguments({ cert, key }: Certificate, name: string): string[] {
  return ['--cert', writePem(`${name}.crt`, cert), '--key', writePem(`${name}.key`, key)]
}
const validArguments = curlArguments(clients.issue('traefik', { names: ['traefik.internal', 'traefik'] }), 'good')
const invalidArguments = {
  no: [],
  "another CA's": curlArguments(createCertificateAuthority('others').issue('traefik'), 'other'),
  'an expired': curlArguments(clients.issue('traefik', { expired: true }), 'expired'),
  "the listener's own CA's": curlArguments(authority.issue('traefik'), 'own-ca'),
}

const certificateFlags = { ...tlsFlags(), trusted_proxies: 'client_cert', 'tls.client_ca': clientCa }
const [requesting, requiring, named] = await Promise.all([
  start({ flags: { ...certificateFlags, 'tls.client_auth': 'request' } }),
  start({ flags: { ...certificateFlags, 'tls.client_auth': 'require' } }),
  start({ flags: { ...certificateFlags, 'tls.client_auth': 'request', 'tls.client_names': 'traefik.internal,other' } }),
])

function statusOf({ url }: { url: string }, ...args: string[]): Promise<string> {
  return curlStatus('--cacert', caFile, '-H', 'Remote-User: bob', ...args, url)
}

for (const flag of ['--http2', '--http1.1']) {
  describe(`trusted_proxies: client_cert, with curl ${flag}`, () => {
    test(`trusts curl ${flag} with a certificate from client_ca`, async () => {
      assert.equal(await statusOf(requesting, flag, ...validArguments), '200')
      assert.equal(await statusOf(requiring, flag, ...validArguments), '200')
    })

    for (const [kind, args] of Object.entries(invalidArguments)) {
      test(`does not trust curl ${flag} with ${kind} certificate, and disconnects it if tls.client_auth is require`, async () => {
        assert.equal(await statusOf(requesting, flag, ...args), '401')
        assert.equal(await statusOf(requiring, flag, ...args), '000')
      })
    }
  })
}

test('a certificate from another CA with the same name is not trusted', async () => {
  const forged = curlArguments(createCertificateAuthority('clients').issue('traefik'), 'forged')
  for (const gateway of [requesting, requiring]) assert.notEqual(await statusOf(gateway, ...forged), '200')
  assert.equal(await statusOf(requesting, ...validArguments), '200')
})

test('tls.client_names accepts only a certificate that has one of the names, spelled exactly, as its common name or a DNS name', async () => {
  let count = 0
  const status = (commonName: string, ...names: string[]) =>
    statusOf(named, ...curlArguments(clients.issue(commonName, { names }), `named-${count++}`))
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

test('trusted_proxies with client_cert and an address range trusts a peer that matches either entry', async () => {
  const both = await start({
    flags: { ...certificateFlags, 'tls.client_auth': 'request', trusted_proxies: 'client_cert,loopback' },
  })
  assert.equal(await statusOf(both), '200')
})

test('does not resume TLS sessions, so that the client certificate is verified on each connection', async () => {
  const { cert, key } = clients.issue('resuming')
  const handshake = async (session?: Buffer, maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3') => {
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
    const { ticket } = await handshake(undefined, version)
    assert.equal((await handshake(ticket, version)).isReused, false)
  }
})

test('after SIGHUP, new connections with a certificate from the previous client_ca are not trusted', async () => {
  const own = writePem('renewed-ca.crt', clients.cert)
  const renewing = await start({ flags: { ...certificateFlags, 'tls.client_auth': 'request', 'tls.client_ca': own } })
  assert.equal(await statusOf(renewing, ...validArguments), '200')
  writeFileSync(own, createCertificateAuthority('later').cert)
  renewing.process.kill('SIGHUP')
  await renewing.logged(({ message = '' }) => message.startsWith('configuration reloaded'))
  assert.equal(await statusOf(renewing, ...validArguments), '401')
})

test('elastauth health succeeds if the listener requires a client certificate, and reports that it does', async () => {
  const { code, stdout } = await runHealth(['--listen', `https://127.0.0.1:${portOf(requiring)}`])
  assert.deepEqual([code, /asks for a client certificate/.test(stdout)], [0, true])
})
