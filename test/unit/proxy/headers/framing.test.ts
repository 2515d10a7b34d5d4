import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GatewayError } from '../../../../src/http/errors.ts'
import { checkFraming } from '../../../../src/proxy/headers/framing.ts'

const host = ['Host', 'es.example.com']
const check = (rawHeaders: string[], url = '/', httpVersion = '1.1') => checkFraming({ rawHeaders, url, httpVersion })

describe('what two servers could read in two ways is refused', () => {
  const rows: [what: string, rawHeaders: string[], url?: string, httpVersion?: string][] = [
    ['two Hosts', [...host, ...host]],
    ['two Hosts in two spellings', [...host, 'hOST', 'evil']],
    ['no Host', []],
    ['an empty Host', ['Host', '']],
    ['a Host with a path', ['Host', 'es/x']],
    ['a Host with userinfo', ['Host', 'es@evil']],
    ['a Host that is a list', ['Host', 'es, evil']],
    ['a Host with a quote', ['Host', 'es"x']],
    ['an encoded dot in the Host', ['Host', 'es%2eexample.com']],
    ['a tilde in the Host', ['Host', 'es~1']],
    ['a port that is none', ['Host', 'es:80a']],
    ['two lengths', [...host, 'Content-Length', '3', 'content-length', '3']],
    ['a signed length', [...host, 'Content-Length', '+5']],
    ['a hexadecimal length', [...host, 'Content-Length', '0x5']],
    ['a list of lengths', [...host, 'Content-Length', '5,5']],
    ['an empty length', [...host, 'Content-Length', '']],
    ['a length with a blank in it', [...host, 'Content-Length', '1 2']],
    ['a length beyond all numbers', [...host, 'Content-Length', '9'.repeat(20)]],
    ['a length beside chunks', [...host, 'Content-Length', '3', 'Transfer-Encoding', 'chunked']],
    ['two codings', [...host, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked']],
    ['identity, chunked', [...host, 'Transfer-Encoding', 'identity, chunked']],
    ['gzip, chunked', [...host, 'Transfer-Encoding', 'gzip, chunked']],
    ['chunked, chunked', [...host, 'Transfer-Encoding', 'chunked, chunked']],
    ['xchunked', [...host, 'Transfer-Encoding', 'xchunked']],
    ['a coding with a tab', [...host, 'Transfer-Encoding', '\tchunked']],
    ['chunks in HTTP/1.0', [...host, 'Transfer-Encoding', 'chunked'], '/', '1.0'],
    ['HTTP/2.0 in HTTP/1 clothes', host, '/', '2.0'],
    ['a blank in the target', host, '/a b'],
    ['a tab in the target', host, '/a\tb'],
    ['a line end in the target', host, '/a\r\nX: y'],
    ['a NUL in the target', host, '/a\0b'],
    ['another host in the target', host, 'http://evil.example.com/'],
    ['another port in the target', host, 'http://es.example.com:81/'],
    ['userinfo in the target', host, 'http://es.example.com@evil/'],
    ['another scheme in the target', host, 'ftp://es.example.com/'],
    ['the asterisk', host, '*'],
    ['an authority', host, 'es.example.com:443'],
    ['no target', host, ''],
  ]
  for (const [what, rawHeaders, url, httpVersion] of rows) {
    test(what, () => {
      assert.throws(
        () => check(rawHeaders, url, httpVersion),
        (error) => error instanceof GatewayError && error.code === 'payload_invalid',
      )
    })
  }
})

describe('what can be read in one way only is let through', () => {
  const rows: [what: string, rawHeaders: string[], url?: string, httpVersion?: string][] = [
    ['a plain request', host],
    ['HTTP/1.0', host, '/', '1.0'],
    ['a host with a port', ['Host', 'es_1.example.com:9200']],
    ['an IPv6 address', ['host', '[::1]:9200']],
    ['a length', [...host, 'Content-Length', '0']],
    ['chunks, however spelt', [...host, 'transfer-encoding', 'Chunked']],
    ['its own host in the target, however spelt', host, 'HTTP://ES.example.com/x'],
    ['odd but legal bytes', host, '/%3Clogs-%7Bnow%2Fd%7D%3E/a..b//c;d?q=+%252f|{}"\xe4'],
    ['a header of the same length as another', [...host, 'X-Transfer-Encodi', 'identity']],
  ]
  for (const [what, rawHeaders, url, httpVersion] of rows) {
    test(what, () => check(rawHeaders, url, httpVersion))
  }
})
