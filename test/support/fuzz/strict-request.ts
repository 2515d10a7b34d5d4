/** A request as its bytes say, in latin-1. */
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
  | Readonly<{ kind: 'whole'; request: StrictRequest; rest: string }>
  /** More bytes could make a request of it. `head` has no body yet. */
  | Readonly<{ kind: 'partial'; head?: StrictRequest }>
  | Readonly<{ kind: 'broken'; why: string; head?: StrictRequest }>

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/
const lineEnd = '\r\n'

/**
 * Reads one request by the letter of RFC 9112, and shares no code with what is tested. Of what the RFC lets a server
 * overlook it overlooks what our parser does, and what says the same to all: line ends before a request (2.2), and more
 * than one blank between the words of its first line (3).
 */
export function parseStrictly(bytes: string): Parsed {
  const start = bytes.replace(/^[\r\n]+/, '')
  const end = start.indexOf(lineEnd + lineEnd)
  if (end === -1) return hasLoneBreak(start) ? { kind: 'broken', why: 'a lone CR or LF' } : { kind: 'partial' }
  const [first = '', ...lines] = start.slice(0, end).split(lineEnd)
  const requestLine = /^([A-Z-]+) +([\x21-\x7e\x80-\xff]+) +HTTP\/(1\.[01])$/.exec(first)
  if (requestLine === null) return { kind: 'broken', why: 'the first line' }
  const headers: [string, string][] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1)]
    if (colon === -1 || !token.test(name) || !fieldValue.test(value)) return { kind: 'broken', why: 'a header' }
    headers.push([name.toLowerCase(), value.replace(/^[\t ]+|[\t ]+$/g, '')])
  }
  const [, method = '', target = '', version = ''] = requestLine
  const head = { method, target: originForm(target), version, headers, body: '' }
  return parseBody(head, start.slice(end + 4))
}

export function valuesOf({ headers }: StrictRequest, name: string): string[] {
  return headers.filter(([key]) => key === name).map(([, value]) => value)
}

function parseBody(head: StrictRequest, rest: string): Parsed {
  const broken = (why: string): Parsed => ({ kind: 'broken', why, head })
  const [hosts, lengths, codings] = ['host', 'content-length', 'transfer-encoding'].map((name) => valuesOf(head, name))
  if (hosts!.length !== 1 || !/^[\w.~%:[\]-]+$/.test(hosts![0]!)) return { kind: 'broken', why: 'Host' }
  if (lengths!.length + codings!.length > 1) return { kind: 'broken', why: 'more than one framing' }
  if (codings!.length === 1) {
    if (head.version === '1.0' || codings![0]!.toLowerCase() !== 'chunked') return { kind: 'broken', why: 'a coding' }
    return parseChunks(head, rest, broken)
  }
  const [length = '0'] = lengths!
  if (!/^\d+$/.test(length) || !Number.isSafeInteger(Number(length))) return { kind: 'broken', why: 'a length' }
  if (rest.length < Number(length)) return { kind: 'partial', head }
  return { kind: 'whole', request: { ...head, body: rest.slice(0, Number(length)) }, rest: rest.slice(Number(length)) }
}

/** Chunks, their extensions and trailers (RFC 9112, 7.1), of which the body is what remains. */
function parseChunks(head: StrictRequest, bytes: string, broken: (why: string) => Parsed): Parsed {
  let [body, rest] = ['', bytes]
  for (;;) {
    const end = rest.indexOf(lineEnd)
    if (end === -1) return hasLoneBreak(rest) ? broken('a lone CR or LF') : { kind: 'partial', head }
    const [, digits] = /^([0-9A-Fa-f]+)[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/.exec(rest.slice(0, end)) ?? []
    if (digits === undefined) return broken('a chunk’s size')
    const size = Number.parseInt(digits, 16)
    if (!Number.isSafeInteger(size)) return broken('a chunk’s size')
    rest = rest.slice(end + 2)
    if (size === 0) return parseTrailers({ ...head, body }, rest, broken)
    if (rest.length < size + 2) return { kind: 'partial', head }
    if (rest.slice(size, size + 2) !== lineEnd) return broken('a chunk’s end')
    body += rest.slice(0, size)
    rest = rest.slice(size + 2)
  }
}

function parseTrailers(request: StrictRequest, bytes: string, broken: (why: string) => Parsed): Parsed {
  let rest = bytes
  for (;;) {
    const end = rest.indexOf(lineEnd)
    if (end === -1) return { kind: 'partial', head: { ...request, body: '' } }
    const line = rest.slice(0, end)
    rest = rest.slice(end + 2)
    if (line === '') return { kind: 'whole', request, rest }
    const colon = line.indexOf(':')
    if (!token.test(line.slice(0, colon)) || !fieldValue.test(line.slice(colon + 1))) return broken('a trailer')
  }
}

function originForm(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '')
  return path.startsWith('/') ? path : `/${path}`
}

function hasLoneBreak(text: string): boolean {
  return /\r(?!\n|$)|(?<!\r)\n/.test(text)
}
