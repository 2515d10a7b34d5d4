import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openRaw } from '../../support/raw-http.ts'
import { tlsFlags } from '../../support/tls-files.ts'
import { portOf, startProxy, startTcpUpstream } from '../../support/upstream.ts'
import { whyNotInstalled } from './installed.ts'
import { type RealProxy, type Running, startRealProxy } from './proxy.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-truncation-'))
const socket = join(directory, 'elastauth.sock')
after(() => rmSync(directory, { recursive: true }))

/** The address at which nginx reaches elastauth, by the name of its location below. */
type Places = Readonly<Record<string, string>>

/** nginx in front of proxy mode, with one location for each place and each HTTP version that it can speak to upstreams. */
function nginxBefore(places: Places): RealProxy {
  return {
    name: 'nginx',
    program: 'nginx',
    profile: 'generic',
    command({ directory: own, port }) {
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
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((kind) => `${kind}_temp_path ${own}/${kind};`)
        .join(' ')
      const conf = `daemon off; master_process off; pid ${own}/pid; error_log stderr warn;
        events { worker_connections 64; }
        http { access_log off; ${temporary} server { listen 127.0.0.1:${port}; ${locations.join('\n')} } }`
      return {
        args: ['-p', own, '-e', 'stderr', '-c', join(own, 'nginx.conf')],
        files: { 'nginx.conf': conf },
      }
    },
  }
}

const skip = whyNotInstalled(nginxBefore({}))

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

describe('a response that an upstream cuts does not look whole to a client of nginx', { skip }, () => {
  const until = new AsyncDisposableStack()
  let nginx: Running

  before(async () => {
    nginx = await startRealProxy(
      nginxBefore({ tcp: `${gateway.url}/`, tls: `${tlsUrl}/`, unix: `http://unix:${socket}:/` }),
      { authelia: '', elastauth: '', kibana: '', proxySecret: '' },
      until,
    )
  })
  after(() => until.disposeAsync())

  function get(path: string) {
    const connection = openRaw(portOf(nginx))
    connection.send(`GET ${path} HTTP/1.1\r\nHost: es\r\nConnection: close\r\n\r\n`)
    return connection
  }

  /** Whether the body comes to its end for a client that has received half of it. */
  async function looksWhole(path: string, goOn: () => void): Promise<boolean> {
    const connection = get(path)
    await connection.until(/^HTTP\/1\.1 200 [\s\S]*half/)
    goOn()
    return (await connection.closed).endsWith('\r\n0\r\n\r\n')
  }

  for (const [place, version] of [
    ['unix', '1.1'],
    ['tls', '1.1'],
    ['tcp', '1.1'],
    ['tcp', '1.0'],
  ]) {
    test(`that speaks HTTP/${version} to elastauth over ${place}`, async () => {
      assert.equal(await looksWhole(`/${place}/${version}/`, () => cut()), false)
      assert.equal(await looksWhole(`/${place}/${version}/`, () => end()), true)
    })
  }

  for (const place of ['unix', 'tls']) {
    test(`that speaks HTTP/1.0 to elastauth over ${place}, as it is rejected with 505`, async () => {
      assert.match(await get(`/${place}/1.0/`).closed, /^HTTP\/1\.1 505 [\s\S]*"http_version_unsupported"/)
    })
  }
})
