import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openRaw } from '../../support/raw-http.ts'
import { tlsFlags } from '../../support/tls-files.ts'
import { portOf, startProxy, startTcpUpstream } from '../../support/upstream.ts'
import { nginxCommand, type RealProxy, type Running, startRealProxy } from './real-proxy.ts'
import { skipWithout } from './skip-without.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-truncation-'))
const socket = join(directory, 'elastauth.sock')
after(() => rmSync(directory, { recursive: true }))

/** The addresses at which nginx reaches elastauth, by the names of their locations. */
type Places = Readonly<Record<string, string>>

/** nginx in front of proxy mode, with one location for each address and each HTTP version that nginx supports to upstreams. */
function nginxBefore(places: Places): RealProxy {
  return {
    name: 'nginx',
    program: 'nginx',
    profile: 'generic',
    command({ directory, port }) {
      const locations = Object.entries(places).flatMap(([name, url]) =>
        ['1.0', '1.1'].map(
          (version) => `location /${name}/${version}/ {
            proxy_pass ${url};
            proxy_http_version ${version};
            proxy_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header Remote-User bob;
          }`,
        ),
      )
      return nginxCommand(directory, `server { listen 127.0.0.1:${port}; ${locations.join('\n')} }`)
    },
  }
}

const skip = skipWithout(nginxBefore({}))

let end: () => void
let cut: () => void
const upstream = await startTcpUpstream((connection) => {
  connection.on('data', () => {
    connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n')
    end = () => connection.write('0\r\n\r\n')
    cut = () => connection.destroy()
  })
})
const { listen: https, ...tls } = tlsFlags()
const listen = `http://127.0.0.1:0,${https},http://unix:${socket}`
const gateway = await startProxy(upstream.url, { flags: { ...tls, trusted_proxies: 'unix,loopback', listen } })
const { message = '' } = await gateway.logged(({ message: text = '' }) => text.includes(' listens on '))
const [tlsUrl] = /https:\/\/[^\s,]+/.exec(message)!

describe('a response that an upstream truncates does not look complete to a client of nginx', { skip }, () => {
  const cleanup = new AsyncDisposableStack()
  let nginx: Running

  before(async () => {
    nginx = await startRealProxy(
      nginxBefore({ tcp: `${gateway.url}/`, tls: `${tlsUrl}/`, unix: `http://unix:${socket}:/` }),
      { authelia: '', elastauth: '', kibana: '', proxySecret: '' },
      cleanup,
    )
  })
  after(() => cleanup.disposeAsync())

  function get(path: string) {
    const connection = openRaw(portOf(nginx))
    connection.send(`GET ${path} HTTP/1.1\r\nHost: es\r\nConnection: close\r\n\r\n`)
    return connection
  }

  /** Whether a client that has received half of the body receives its end after `proceed`. */
  async function isComplete(path: string, proceed: () => void): Promise<boolean> {
    const connection = get(path)
    await connection.until(/^HTTP\/1\.1 200 [\s\S]*half/)
    proceed()
    return (await connection.closed).endsWith('\r\n0\r\n\r\n')
  }

  for (const [place, version] of [
    ['unix', '1.1'],
    ['tls', '1.1'],
    ['tcp', '1.1'],
    ['tcp', '1.0'],
  ]) {
    test(`if nginx uses HTTP/${version} over ${place} to elastauth, a truncated response does not look complete to nginx's client`, async () => {
      assert.equal(await isComplete(`/${place}/${version}/`, () => cut()), false)
      assert.equal(await isComplete(`/${place}/${version}/`, () => end()), true)
    })
  }

  for (const place of ['unix', 'tls']) {
    test(`if nginx uses HTTP/1.0 over ${place} to elastauth, nginx's client gets 505, because a truncated response would look complete`, async () => {
      assert.match(await get(`/${place}/1.0/`).closed, /^HTTP\/1\.1 505 [\s\S]*"http_version_unsupported"/)
    })
  }
})
