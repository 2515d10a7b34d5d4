import { pathBeforeFragment, pathOf, percentDecodeBytes, queryOf } from '../http/target.ts'

/** Elasticsearch's change-password API, for the current or a named user. */
const elasticsearchApi = /(?:^|\/)(?:_security|_xpack\/security)\/user(?:\/[^/]*)?\/_password(?=[/?#;&\s]|$)/i
/** Kibana's route for it, below any base path and space. */
const kibanaApi = /\/security\/(?:v1\/)?users\/[^/]+\/password(?=[/?#;&\s]|$)/i
/** Kibana's console, whose query contains the path of the request that it sends to Elasticsearch. */
const consoleApi = /\/api\/console\/proxy(?=[/?#;\s]|$)/i
/** Makes the check fast: a path without any of these, as nearly every path, needs no decoding. */
const suspectPattern = /%|password|console/i

/**
 * The number of nested encodings that are decoded: one each for Kibana's console, its URL parser and Elasticsearch, and
 * one in reserve.
 */
const maxDecodings = 4
/**
 * Suspicious texts longer than this count as a match. Clients do not send them, and decoding every spelling of 64 KB
 * takes most of a second.
 */
const maxSuspectLength = 2048

/**
 * Whether a request would change a user's password, through Elasticsearch's API, Kibana's route, or Kibana's console.
 * Matches any method, and deliberately more spellings than Elasticsearch and Kibana accept: an extra spelling blocks a
 * request that clients do not send, but a missed one permits a password that outlives the user's access.
 * @param target path and query
 */
export function changesUserPassword(target: string): boolean {
  const path = pathOf(target)
  if (!suspectPattern.test(path)) return false
  const decodedPath = decodeFully(path)
  if (mentionsPassword(decodedPath) && anySpellingMatches(path, isPasswordApi)) return true
  if (!/console/i.test(decodedPath)) return false
  const suspects = parameterValues(queryOf(target)).filter((value) => mentionsPassword(decodeFully(value)))
  if (suspects.length === 0 || !anySpellingMatches(path, isConsoleApi)) return false
  return suspects.join('').length > maxSuspectLength || suspects.some((text) => anySpellingMatches(text, isPasswordApi))
}

function isPasswordApi(path: string): boolean {
  return elasticsearchApi.test(path) || kibanaApi.test(path)
}

function isConsoleApi(path: string): boolean {
  return consoleApi.test(path)
}

function mentionsPassword(decodedText: string): boolean {
  return /password/i.test(decodedText)
}

/** Whether any spelling of a text matches. A text longer than `maxSuspectLength` counts as a match. */
function anySpellingMatches(text: string, matches: (spelling: string) => boolean): boolean {
  return text.length > maxSuspectLength || spellingsOf(text).some(matches)
}

/** The values of all query parameters, including duplicates. */
function parameterValues(query: string): string[] {
  return query.split('&').map((pair) => percentDecodeBytes(pair.slice(pair.indexOf('=') + 1).replaceAll('+', ' ')))
}

/** A path as received, and as servers may interpret it after decoding or normalizing it. */
function spellingsOf(path: string): string[] {
  const spellings = new Set([path])
  let last = [path]
  for (let i = 0; i < maxDecodings; i++) {
    last = last.flatMap(decodeOnce).filter((text) => !spellings.has(text))
    if (last.length === 0) break
    for (const text of last) spellings.add(text)
  }
  return [...spellings].flatMap((text) => [text, normalize(text)])
}

/** The results of decoding a path once, before or after normalizing it, with or without its query and fragment. */
function decodeOnce(path: string): string[] {
  return [path, normalize(path), normalize(pathBeforeFragment(path))].map(percentDecodeBytes)
}

/** Percent-decodes up to `maxDecodings` times, and drops the tabs and line breaks that URL parsers ignore. */
function decodeFully(text: string): string {
  let decoded = text
  for (let i = 0; i < maxDecodings; i++) decoded = percentDecodeBytes(decoded)
  return withoutLineBreaks(decoded)
}

/**
 * Normalizes a path like the URL standard: removes surrounding spaces and line breaks, replaces `\` with `/`, and
 * resolves dot segments. Also collapses multiple slashes.
 */
function normalize(path: string): string {
  const resolved: string[] = []
  for (const segment of withoutLineBreaks(path.trim()).split(slashes)) {
    const plain = segment.replace(/%2e/gi, '.')
    if (plain === '..') resolved.pop()
    else if (plain !== '.') resolved.push(segment)
  }
  return resolved.join('/')
}

const slashes = /[/\\]+/

/** Drops the tabs and line breaks that URL parsers ignore. */
function withoutLineBreaks(text: string): string {
  return text.replace(/[\t\r\n]/g, '')
}
