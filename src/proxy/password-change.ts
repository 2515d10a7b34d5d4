/** In Elasticsearch, for the user who asks and for one by name; in Kibana, below any base path and space. */
const changesPassword =
  /(?:^|\/)(?:_security|_xpack\/security)\/user(?:\/[^/]*)?\/_password(?=[/?#;&\s]|$)|\/security\/(?:v1\/)?users\/[^/]+\/password(?=[/?#;&\s]|$)/i
/** Kibana's console, which sends a request to the path in its query. */
const isConsole = /\/api\/console\/proxy(?=[/?#;\s]|$)/i
/** A path without any of these is none of those: nearly every path. */
const maySpell = /%|password|console/i

/** Encodings within encodings: one for each of Kibana's console, its URL parser and Elasticsearch, and one to spare. */
const maxDecodings = 4
/** What is longer, and names what is looked for, nobody sends: to go through all spellings of 64 KB takes most of a second. */
const maxSuspectLength = 2048

/**
 * Whether a request would change a user's password: Elasticsearch's own API, Kibana's route, or Kibana's console asked for
 * the API. Any method, and more spellings than Elasticsearch and Kibana take for the same: a spelling too many costs a request
 * that nobody sends, one too few a password that outlives its user's rights.
 * @param target path and query
 */
export function changesUserPassword(target: string): boolean {
  const start = target.indexOf('?')
  const path = start === -1 ? target : target.slice(0, start)
  if (!maySpell.test(path)) return false
  const decodedPath = decodeFully(path)
  if (namesPassword(decodedPath) && isSpelled(path, changesPassword)) return true
  if (start === -1 || !/console/i.test(decodedPath)) return false
  const suspects = valuesIn(target.slice(start + 1)).filter((value) => namesPassword(decodeFully(value)))
  if (suspects.length === 0 || !isSpelled(path, isConsole)) return false
  const length = suspects.reduce((sum, value) => sum + value.length, 0)
  return length > maxSuspectLength || suspects.some((value) => isSpelled(value, changesPassword))
}

function namesPassword(decodedText: string): boolean {
  return /password/i.test(decodedText)
}

/** Whether any spelling matches. What is too long counts as if one did. */
function isSpelled(text: string, pattern: RegExp): boolean {
  return text.length > maxSuspectLength || spellingsOf(text).some((spelling) => pattern.test(spelling))
}

/** The values of all parameters, doubled ones and those by other names as well. */
function valuesIn(query: string): string[] {
  return query.split('&').map((pair) => decode(pair.slice(pair.indexOf('=') + 1).replaceAll('+', ' ')))
}

/** A path as it is, and as servers may read it that decode it or normalize it. */
function spellingsOf(path: string): string[] {
  const spellings = new Set([path])
  let last = [path]
  for (let i = 0; i < maxDecodings; i++) {
    const next = last.flatMap((text) => [text, normalize(text), normalize(text.replace(/[?#].*$/s, ''))]).map(decode)
    last = next.filter((text) => !spellings.has(text))
    if (last.length === 0) break
    for (const text of last) spellings.add(text)
  }
  return [...spellings].flatMap((text) => [text, normalize(text)])
}

/** Without the characters that a URL parser drops. */
function decodeFully(text: string): string {
  let decoded = text
  for (let i = 0; i < maxDecodings; i++) decoded = decode(decoded)
  return decoded.replace(/[\t\r\n]/g, '')
}

/** Latin-1 is enough: all that is looked for is ASCII. */
function decode(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** As the URL standard has it: blanks around it and line ends in it go, `\` is `/`, dot segments are resolved; doubled slashes are one. */
function normalize(path: string): string {
  const segments: string[] = []
  for (const segment of path
    .trim()
    .replace(/[\t\r\n]/g, '')
    .split(/[/\\]+/)) {
    const plain = segment.replace(/%2e/gi, '.')
    if (plain === '..') segments.pop()
    else if (plain !== '.') segments.push(segment)
  }
  return segments.join('/')
}
