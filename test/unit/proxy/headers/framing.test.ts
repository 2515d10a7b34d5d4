import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GatewayError } from '../../../../src/http/errors.ts'
import { checkFraming } from '../../../../src/proxy/headers/framing.ts'

const host = ['Host', 'es.example.com']
const check = (rawHeaders: string[], url = '/', httpVersion = '1.1') => checkFraming({ rawHeaders, url, httpVersion })

describe('a request that two servers could interpret differently (request smuggling)', () => {
  const rows: [what: string, rawHeaders: string[], url?: string, httpVersion?: string][] = [
    ['two Host headers', [...host, ...host]],
    ['two Host headers in different case', [...host, 'hOST', 'evil']],
    ['a request without a Host header', []],
    ['an empty Host', ['Host', '']],
    ['a Host with a path', ['Host', 'es/x']],
    ['a Host with userinfo', ['Host', 'es@evil']],
    ['a Host that is a list', ['Host', 'es, evil']],
    ['a Host with a quote', ['Host', 'es"x']],
    ['an encoded dot in the Host', ['Host', 'es%2eexample.com']],
    ['a tilde in the Host', ['Host', 'es~1']],
    ['a port that is not a number', ['Host', 'es:80a']],
    ['two Content-Length headers', [...host, 'Content-Length', '3', 'content-length', '3']],
    ['a Content-Length with a sign', [...host, 'Content-Length', '+5']],
    ['a hexadecimal Content-Length', [...host, 'Content-Length', '0x5']],
    ['a list in Content-Length', [...host, 'Content-Length', '5,5']],
    ['an empty Content-Length', [...host, 'Content-Length', '']],
    ['a Content-Length with a space in it', [...host, 'Content-Length', '1 2']],
    ['a Content-Length that is too large for a number', [...host, 'Content-Length', '9'.repeat(20)]],
    [
      'Content-Length together with Transfer-Encoding',
      [...host, 'Content-Length', '3', 'Transfer-Encoding', 'chunked'],
    ],
    ['two Transfer-Encoding headers', [...host, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked']],
    ['Transfer-Encoding: identity, chunked', [...host, 'Transfer-Encoding', 'identity, chunked']],
    ['Transfer-Encoding: gzip, chunked', [...host, 'Transfer-Encoding', 'gzip, chunked']],
    ['Transfer-Encoding: chunked, chunked', [...host, 'Transfer-Encoding', 'chunked, chunked']],
    ['Transfer-Encoding: xchunked', [...host, 'Transfer-Encoding', 'xchunked']],
    ['Transfer-Encoding with a tab', [...host, 'Transfer-Encoding', '\tchunked']],
    ['Transfer-Encoding in HTTP/1.0', [...host, 'Transfer-Encoding', 'chunked'], '/', '1.0'],
    ['HTTP/2.0 in the request line of HTTP/1', host, '/', '2.0'],
    ['a space in the target', host, '/a b'],
    ['a tab in the target', host, '/a\tb'],
    ['a line break in the target', host, '/a\r\nX: y'],
    ['a NUL in the target', host, '/a\0b'],
    ['another host in the target', host, 'http://evil.example.com/'],
    ['another port in the target', host, 'http://es.example.com:81/'],
    ['userinfo in the target', host, 'http://es.example.com@evil/'],
    ['another scheme in the target', host, 'ftp://es.example.com/'],
    ['the target *', host, '*'],
    ['a target in authority-form', host, 'es.example.com:443'],
    ['an empty target', host, ''],
  ]
  for (const [what, rawHeaders, url, httpVersion] of rows) {
    test(`rejects ${what}`, () => {
      assert.throws(
        () => check(rawHeaders, url, httpVersion),
        (error) => error instanceof GatewayError && error.code === 'payload_invalid',
      )
    })
  }
})

describe('a request with only one interpretation', () => {
  const rows: [what: string, rawHeaders: string[], url?: string, httpVersion?: string][] = [
    ['a plain request', host],
    ['a request of HTTP/1.0', host, '/', '1.0'],
    ['a host with a port', ['Host', 'es_1.example.com:9200']],
    ['an IPv6 address', ['host', '[::1]:9200']],
    ['a Content-Length', [...host, 'Content-Length', '0']],
    ['Transfer-Encoding: chunked in any case', [...host, 'transfer-encoding', 'Chunked']],
    ['the same host in the target and in Host, in any case', host, 'HTTP://ES.example.com/x'],
    ['unusual but valid bytes in the target', host, '/%3Clogs-%7Bnow%2Fd%7D%3E/a..b//c;d?q=+%252f|{}"\xe4'],
    ['another header with a name as long as Transfer-Encoding', [...host, 'X-Transfer-Encodi', 'identity']],
  ]
  for (const [what, rawHeaders, url, httpVersion] of rows) {
    test(`accepts ${what}`, () => check(rawHeaders, url, httpVersion))
  }
})
