/** A request as its bytes define it, in Latin-1. */
export type StrictRequest = Readonly<{
  method: string
  /** In origin-form. */
  target: string
  version: string
  /** Names in lower case, in order. */
  headers: readonly (readonly [name: string, value: string])[]
  body: string
}>

export type Parsed =
  | Readonly<{ kind: 'complete'; request: StrictRequest; rest: string }>
  /** More bytes could complete the request. `head` is without a body. */
  | Readonly<{ kind: 'partial'; head?: StrictRequest }>
  | Readonly<{ kind: 'invalid'; reason: string; head?: StrictRequest }>

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/
const lineEnd = '\r\n'

/**
 * Parses one request strictly according to RFC 9112, and shares no code with the gateway. Of the deviations that the RFC allows
 * a server to accept, it accepts those that Node's parser accepts and that all servers interpret in the same way: empty lines
 * before a request (section 2.2), and several spaces between the parts of the request line (section 3).
 */
export function parseStrictly(bytes: string): Parsed {
  const start = bytes.replace(/^[\r\n]+/, '')
  const end = start.indexOf(lineEnd + lineEnd)
  if (end === -1) return hasBareLineBreak(start) ? invalid('a bare CR or LF') : { kind: 'partial' }
  const [first = '', ...lines] = start.slice(0, end).split(lineEnd)
  const requestLine = /^([A-Z-]+) +([\x21-\x7e\x80-\xff]+) +HTTP\/(1\.[01])$/.exec(first)
  if (requestLine === null) return invalid('the request line')
  const headers: [string, string][] = []
  for (const line of lines) {
    const header = parseHeader(line)
    if (header === undefined) return invalid('a header')
    headers.push(header)
  }
  const [, method = '', target = '', version = ''] = requestLine
  const head = { method, target: originForm(target), version, headers, body: '' }
  return parseBody(head, start.slice(end + 4))
}

export function valuesOf({ headers }: StrictRequest, name: string): string[] {
  return headers.filter(([key]) => key === name).map(([, value]) => value)
}

function parseHeader(line: string): [name: string, value: string] | undefined {
  const colon = line.indexOf(':')
  const [name, value] = [line.slice(0, colon), line.slice(colon + 1)]
  if (colon === -1 || !token.test(name) || !fieldValue.test(value)) return undefined
  return [name.toLowerCase(), value.replace(/^[\t ]+|[\t ]+$/g, '')]
}

function parseBody(head: StrictRequest, rest: string): Parsed {
  const [hosts, lengths, codings] = ['host', 'content-length', 'transfer-encoding'].map((name) => valuesOf(head, name))
  if (hosts!.length !== 1 || !/^[\w.~%:[\]-]+$/.test(hosts![0]!)) return invalid('Host')
  if (lengths!.length + codings!.length > 1) return invalid('more than one framing header')
  if (codings!.length === 1) {
    if (head.version === '1.0' || codings![0]!.toLowerCase() !== 'chunked') return invalid('a transfer coding')
    return parseChunks(head, rest)
  }
  const [length = '0'] = lengths!
  if (!/^\d+$/.test(length) || !Number.isSafeInteger(Number(length))) return invalid('a Content-Length')
  if (rest.length < Number(length)) return { kind: 'partial', head }
  return {
    kind: 'complete',
    request: { ...head, body: rest.slice(0, Number(length)) },
    rest: rest.slice(Number(length)),
  }
}

/** Chunks, chunk extensions and trailers (RFC 9112, section 7.1). */
function parseChunks(head: StrictRequest, bytes: string): Parsed {
  let [body, rest] = ['', bytes]
  for (;;) {
    const end = rest.indexOf(lineEnd)
    if (end === -1) return hasBareLineBreak(rest) ? invalid('a bare CR or LF', head) : { kind: 'partial', head }
    const size = parseChunkSize(rest.slice(0, end))
    if (size === undefined) return invalid('a chunk size', head)
    rest = rest.slice(end + 2)
    if (size === 0) return parseTrailers({ ...head, body }, rest)
    if (rest.length < size + 2) return { kind: 'partial', head }
    if (rest.slice(size, size + 2) !== lineEnd) return invalid('the end of a chunk', head)
    body += rest.slice(0, size)
    rest = rest.slice(size + 2)
  }
}

function parseChunkSize(line: string): number | undefined {
  const [, digits] = /^([0-9A-Fa-f]+)[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line) ?? []
  const size = digits === undefined ? Number.NaN : Number.parseInt(digits, 16)
  return Number.isSafeInteger(size) ? size : undefined
}

function parseTrailers(request: StrictRequest, bytes: string): Parsed {
  const head = { ...request, body: '' }
  let rest = bytes
  for (;;) {
    const end = rest.indexOf(lineEnd)
    if (end === -1) return { kind: 'partial', head }
    const line = rest.slice(0, end)
    rest = rest.slice(end + 2)
    if (line === '') return { kind: 'complete', request, rest }
    const colon = line.indexOf(':')
    if (!token.test(line.slice(0, colon)) || !fieldValue.test(line.slice(colon + 1))) return invalid('a trailer', head)
  }
}

/** @param head if the request line and headers are valid */
function invalid(reason: string, head?: StrictRequest): Parsed {
  return { kind: 'invalid', reason, ...(head && { head }) }
}

function originForm(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '')
  return path.startsWith('/') ? path : `/${path}`
}

function hasBareLineBreak(text: string): boolean {
  return /\r(?!\n|$)|(?<!\r)\n/.test(text)
}
