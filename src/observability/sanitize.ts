import type { OriginalRequest } from '../auth/original-request.ts'

/** What of a request may stand in a log. `path` is without the query, which may hold a secret. */
export type SanitizedRequest = Readonly<{ method: string; path: string; domain?: string | undefined }>

const longestPath = 2048
const longestDomain = 255

export function sanitize({ method, target, host }: OriginalRequest): SanitizedRequest {
  const end = target.search(/[?#]/)
  return {
    method,
    path: printable(end === -1 ? target : target.slice(0, end), longestPath),
    ...(host !== undefined && { domain: printable(host, longestDomain) }),
  }
}

/** What a terminal obeys (U+009B is ESC and a bracket in one) as a URL writes the byte: logs are read on terminals. */
function printable(text: string, longest: number): string {
  return text
    .slice(0, longest)
    .replace(/[\0-\x1f\x7f-\x9f]/g, (byte) => `%${Buffer.from(byte, 'latin1').toString('hex').toUpperCase()}`)
}
