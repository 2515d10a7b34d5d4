import { pathOf, percentDecodeBytes, queryOf } from '../http/target.ts'

/** Elasticsearch's change password API, for the current or a named user; Kibana's route, below any base path and space. */
const passwordApiPattern =
  /(?:^|\/)(?:_security|_xpack\/security)\/user(?:\/[^/]*)?\/_password(?=[/?#;&\s]|$)|\/security\/(?:v1\/)?users\/[^/]+\/password(?=[/?#;&\s]|$)/i
/** Kibana's console, which sends a request to Elasticsearch with the path in its own query. */
const consoleProxyPattern = /\/api\/console\/proxy(?=[/?#;\s]|$)/i
/** A fast check: nearly every path contains none of these. */
const suspectPattern = /%|password|console/i

/** Nested encodings: one each for Kibana's console, its URL parser and Elasticsearch, and one in reserve. */
const maxDecodings = 4
/** Longer suspicious texts count as a match: decoding every spelling of 64 KB takes most of a second, and clients do not send them. */
const maxSuspectLength = 2048

/**
 * Whether a request would change a user's password: Elasticsearch's own API, Kibana's route, or Kibana's console with the API's
 * path. Matches any method, and more spellings than Elasticsearch and Kibana accept: a spelling too many blocks a request that
 * clients do not send, one too few permits a password that outlives its user's rights.
 * @param target path and query
 */
export function changesUserPassword(target: string): boolean {
  const path = pathOf(target)
  if (!suspectPattern.test(path)) return false
  const decodedPath = decodeFully(path)
  if (mentionsPassword(decodedPath) && anySpellingMatches(path, passwordApiPattern)) return true
  if (!/console/i.test(decodedPath)) return false
  const suspects = parameterValues(queryOf(target)).filter((value) => mentionsPassword(decodeFully(value)))
  if (suspects.length === 0 || !anySpellingMatches(path, consoleProxyPattern)) return false
  const length = suspects.reduce((sum, value) => sum + value.length, 0)
  return length > maxSuspectLength || suspects.some((value) => anySpellingMatches(value, passwordApiPattern))
}

function mentionsPassword(decodedText: string): boolean {
  return /password/i.test(decodedText)
}

/** Whether any spelling matches. A text that is too long counts as a match. */
function anySpellingMatches(text: string, pattern: RegExp): boolean {
  return text.length > maxSuspectLength || spellingsOf(text).some((spelling) => pattern.test(spelling))
}

/** The values of all parameters, whatever their names, including duplicates. */
function parameterValues(query: string): string[] {
  return query.split('&').map((pair) => percentDecodeBytes(pair.slice(pair.indexOf('=') + 1).replaceAll('+', ' ')))
}

/** A path as it is, and as servers may read it after decoding or normalizing it. */
function spellingsOf(path: string): string[] {
  const spellings = new Set([path])
  let last = [path]
  for (let i = 0; i < maxDecodings; i++) {
    const next = last
      .flatMap((text) => [text, normalize(text), normalize(text.replace(/[?#].*$/s, ''))])
      .map(percentDecodeBytes)
    last = next.filter((text) => !spellings.has(text))
    if (last.length === 0) break
    for (const text of last) spellings.add(text)
  }
  return [...spellings].flatMap((text) => [text, normalize(text)])
}

/** Percent-decodes up to `maxDecodings` times, and drops the tabs and line breaks that URL parsers ignore. */
function decodeFully(text: string): string {
  let decoded = text
  for (let i = 0; i < maxDecodings; i++) decoded = percentDecodeBytes(decoded)
  return decoded.replace(/[\t\r\n]/g, '')
}

/** As in the URL standard: surrounding spaces and line breaks are removed, `\` becomes `/`, dot segments are resolved. Multiple slashes become one. */
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
