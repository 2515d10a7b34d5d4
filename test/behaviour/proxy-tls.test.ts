import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { openRaw } from '../support/raw-request.ts'
import { portOf, startProxy } from '../support/upstream.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))
const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1'
const request = [
  'req',
  '-x509',
  '-newkey',
  'rsa:2048',
  '-nodes',
  '-days',
  '2',
  '-subj',
  '/CN=localhost',
  '-addext',
  names,
]
execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' })

const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, ({ socket }, response) =>
  response.end(`name ${(socket as TLSSocket & { servername?: string | false }).servername || 'none'}.`),
)
server.on('upgrade', ({ socket }, stream) =>
  stream.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nname ${(socket as TLSSocket & { servername?: string | false }).servername || 'none'}.`,
  ),
)
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => {
  server.closeAllConnections()
  server.close()
})
const { port } = server.address() as AddressInfo

const byName = `https://localhost:${port}`
const rows: [what: string, url: string, flags: Record<string, string>, expected: RegExp][] = [
  ['its name', byName, { 'proxy.tls.enabled': 'true', 'proxy.tls.ca_cert': cert }, /name localhost\./],
  [
    'its address',
    `https://127.0.0.1:${port}`,
    { 'proxy.tls.enabled': 'true', 'proxy.tls.ca_cert': cert },
    /name none\./,
  ],
  [
    'nothing, where that is wanted',
    byName,
    { 'proxy.tls.enabled': 'true', 'proxy.tls.insecure_skip_verify': 'true' },
    /name localhost\./,
  ],
  ['an authority we do not know', byName, {}, /^HTTP\/1.1 502 [\s\S]*"upstream_unavailable"/],
]

describe('an https upstream is verified by its own name, whatever Host the client sends', () => {
  for (const [what, url, flags, expected] of rows) {
    test(`by ${what}`, async () => {
      const gateway = await startProxy(url, { flags })
      for (const words of [[], ['Connection: Upgrade', 'Upgrade: websocket']]) {
        const connection = openRaw(portOf(gateway))
        const head = ['GET / HTTP/1.1', 'Host: evil.example.com', 'Remote-User: bob', ...words, '', '']
        connection.send(head.join('\r\n'))
        assert.match(await connection.until(expected), expected)
        connection.socket.destroy()
      }
      assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
    })
  }
})
