import type { Random } from './random.ts'

const lineEnd = '\r\n'

/** A well-formed request, with or without an identity. */
function baseRequest(random: Random, user: string): string {
  const target = random.of(['/', '/a/b?c=d', '/_search', '/%2e%2e/x', '/a//b', '/idx/_doc/1?refresh=true&x=%00'])
  const identity = random.oneIn(4) ? [] : [`Remote-User: ${user}`]
  const common = [`Host: ${random.of(['es', 'es:9200', 'ES'])}`, ...identity, 'X-A: b']
  const headOf = (method: string, ...headers: string[]) =>
    [`${method} ${target} HTTP/1.1`, ...common, ...headers, '', ''].join(lineEnd)
  switch (random.below(8)) {
    case 0:
      return headOf('HEAD')
    case 1:
      return `${headOf('POST', 'Content-Length: 11')}hello=world`
    case 2:
      return `${headOf('POST', 'Transfer-Encoding: chunked')}5\r\nhello\r\n6;x=y\r\n=world\r\n0\r\n\r\n`
    case 3:
      return `${headOf('PUT', 'Transfer-Encoding: chunked', 'Trailer: X-T')}3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n`
    case 4:
      return `${headOf('POST', 'Expect: 100-continue', 'Content-Length: 2')}{}`
    case 5:
      return headOf(
        'GET',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Key: a2V5',
        'Sec-WebSocket-Version: 13',
      )
    case 6:
      return `GET http://es${target} HTTP/1.1\r\nHost: es\r\nRemote-User: ${user}\r\n\r\n`
    default:
      return headOf(random.of(['GET', 'GET', 'DELETE', 'OPTIONS', 'PATCH']))
  }
}

const insertedBytes = [
  '\r',
  '\n',
  '\0',
  '\t',
  '\v',
  '\f',
  ' ',
  ':',
  ';',
  ',',
  '\x7f',
  '\x80',
  '\xff',
  '"',
  '0',
  'a',
  '\r\n',
]

const lengths = [
  '+5',
  '5,5',
  '0x5',
  '-1',
  '05',
  '1e1',
  '5 5',
  '18446744073709551621',
  '',
  '5;',
  '0',
  '3',
  '4096',
  '\t11',
]

const codings = [
  'chunked',
  'Chunked',
  'xchunked',
  'chunked, chunked',
  'identity',
  'gzip, chunked',
  '\vchunked',
  'chunked;',
  '"chunked"',
  '',
]

const headerLines = [
  ...lengths.map((length) => `Content-Length: ${length}`),
  ...codings.map((coding) => `Transfer-Encoding: ${coding}`),
  'Transfer-Encoding : chunked',
  'Transfer_Encoding: chunked',
  'Content_Length: 3',
  'Host: evil.example.com',
  'Host:',
  'Remote-User: elastic',
  'Remote_User: elastic',
  'Remote-User: a, b',
  'Connection: Remote-User',
  'Connection: close, Content-Length',
  'Connection: Transfer-Encoding',
  'Connection: Upgrade, HTTP2-Settings',
  'Upgrade: h2c',
  'Upgrade: websocket',
  'Authorization: Basic ZWxhc3RpYzp4',
  'es-security-runas-user: elastic',
  'X-Forwarded-For: 10.0.0.1',
  'Expect: 100-continue',
  ' folded',
  'no colon',
  ': no name',
]

type Mutation = (text: string, random: Random, user: string) => string

const mutations: readonly Mutation[] = [
  (text, random) => splice(text, random.below(text.length + 1), 0, random.of(insertedBytes)),
  (text, random) => splice(text, random.below(text.length), 1, ''),
  (text, random) => splice(text, random.below(text.length), 1, random.of(insertedBytes)),
  (text, random) => splice(text, random.below(text.length), 1, String.fromCharCode(random.below(256))),
  (text, random) => text.slice(0, random.below(text.length) + 1),
  (text, random) => changeLine(text, random, (line) => [line, line]),
  (text, random) => changeLine(text, random, () => []),
  (text, random) => changeLine(text, random, (line) => [line, random.of(headerLines)]),
  (text, random) => changeLine(text, random, (line) => [line, random.of(headerLines)]),
  (text, random) => changeLine(text, random, (line) => [` ${line}`]),
  (text, random) => changeLine(text, random, (line) => [changeCase(line, random.oneIn(2))]),
  (text, random) =>
    changeLine(text, random, (line) => [line.replace(/: ?/, random.of([' : ', ':', ':\t', ': \r', '\0:']))]),
  (text, random) =>
    replaceMatch(text, random, /\r\n/g, random.of(['\n', '\r', ' \r\n', '\r\r\n', '\n\r', '\r\n\r\n', '\r\n '])),
  (text, random) => replaceMatch(text, random, /Content-Length: [^\r]*/g, `Content-Length: ${random.of(lengths)}`),
  (text, random) =>
    replaceMatch(text, random, /Transfer-Encoding: [^\r]*/g, `Transfer-Encoding: ${random.of(codings)}`),
  (text, random) =>
    replaceMatch(
      text,
      random,
      /HTTP\/1\.1/g,
      random.of(['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2', 'HTTP/0.9', 'http/1.1', '']),
    ),
  (text, random) =>
    replaceMatch(
      text,
      random,
      /\r\n[0-9a-f]+(?=[\r;])/g,
      `\r\n${random.of(['0', '00', '1', 'ffff', '-1', '+3', '0x3', '10000000000000001', '3 ', ''])}`,
    ),
  (text, random) =>
    replaceMatch(
      text,
      random,
      / \//g,
      random.of([' http://evil/', ' //', ' /\x01', '  /', ' *', ' es:443', ' ', ' /a b']),
    ),
  (text, random, user) => splice(text, random.below(text.length + 1), 0, baseRequest(random, user)),
  (text, random) => text + 'x'.repeat(random.below(2000)),
]

/** One to three pipelined requests of one user or without an identity, with up to four mutations. In Latin-1. */
export function createAttack(random: Random, user: string): string {
  let text = Array.from({ length: 1 + random.below(3) }, () => baseRequest(random, user)).join('')
  for (let count = random.below(5); count > 0 && text !== ''; count--) text = random.of(mutations)(text, random, user)
  return text
}

/** Changes ASCII letters only: other characters might not be in Latin-1 afterwards. */
function changeCase(line: string, isUpper: boolean): string {
  return line.replace(/[A-Za-z]+/g, (word) => (isUpper ? word.toUpperCase() : word.toLowerCase()))
}

function splice(text: string, start: number, length: number, inserted: string): string {
  return text.slice(0, start) + inserted + text.slice(start + length)
}

function changeLine(text: string, random: Random, change: (line: string) => string[]): string {
  const lines = text.split(lineEnd)
  const index = random.below(lines.length)
  return [...lines.slice(0, index), ...change(lines[index]!), ...lines.slice(index + 1)].join(lineEnd)
}

/** Replaces one of the matches. */
function replaceMatch(text: string, random: Random, pattern: RegExp, replacement: string): string {
  const matches = [...text.matchAll(pattern)]
  if (matches.length === 0) return text
  const match = random.of(matches)
  return splice(text, match.index, match[0].length, replacement)
}
