import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../../http/errors.ts'
import { singleValueOf } from '../../http/headers.ts'
import { parseAbsoluteForm } from '../../http/target.ts'

export type RequestHead = Pick<IncomingMessage, 'httpVersion' | 'rawHeaders'> & Readonly<{ url?: string | undefined }>

/**
 * A host with an optional port. Excludes every character that a URL parser could treat as part of userinfo, a path or
 * an encoding.
 */
const hostPattern = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/

/**
 * Prevents request smuggling (RFC 9112, section 11.2) by rejecting requests whose end or target elastauth and an
 * upstream could interpret differently. Node's parser already rejects some of these requests; they are checked here in
 * case a later version accepts them. Throws GatewayError payload_invalid.
 */
export function checkFraming({ httpVersion, url = '', rawHeaders }: RequestHead): void {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') throw invalid(`HTTP version ${httpVersion}`)
  const host = singleValueOf(rawHeaders, 'host', twoHosts)
  const length = singleValueOf(rawHeaders, 'content-length', twoLengths)
  const coding = singleValueOf(rawHeaders, 'transfer-encoding', twoCodings)
  if (host === undefined) throw invalid('no Host header')
  if (!hostPattern.test(host)) throw invalid('a Host header that is not a host')
  if (length !== undefined && !isLength(length)) throw invalid('a Content-Length that is not a number')
  if (coding !== undefined) {
    if (length !== undefined) throw invalid('both Content-Length and Transfer-Encoding')
    if (httpVersion === '1.0') throw invalid('Transfer-Encoding in HTTP/1.0')
    if (coding.toLowerCase() !== 'chunked') throw invalid('a Transfer-Encoding other than chunked')
  }
  checkTarget(url, host)
}

const spaceOrControl = /[^\x21-\x7e\x80-\xff]/

function checkTarget(url: string, host: string): void {
  if (spaceOrControl.test(url)) throw invalid('a space or a control character in the target')
  if (url.startsWith('/')) return
  const absolute = parseAbsoluteForm(url)
  if (absolute === undefined || !isHttpScheme(absolute.scheme))
    throw invalid('a target that is neither a path nor a URL')
  if (absolute.authority.toLowerCase() !== host.toLowerCase())
    throw invalid('a target with another host than the Host header')
}

function isHttpScheme(scheme: string): boolean {
  return ['http', 'https'].includes(scheme.toLowerCase())
}

const twoHosts = () => invalid('two Host headers')
const twoLengths = () => invalid('two Content-Length headers')
const twoCodings = () => invalid('two Transfer-Encoding headers')

function isLength(value: string): boolean {
  return /^[0-9]+$/.test(value) && Number.isSafeInteger(Number(value))
}

function invalid(detail: string): GatewayError {
  return new GatewayError('payload_invalid', detail)
}
