import type { OriginalRequest } from '../http/request-context.ts'
import { pathBeforeFragment } from '../http/target.ts'

/** The parts of a request that may be logged. `path` excludes the query, which may contain a secret. */
export type SanitizedRequest = Readonly<{ method: string; path: string; domain?: string | undefined }>

const maxPathLength = 2048
const maxDomainLength = 255

export function sanitize({ method, target, host }: OriginalRequest): SanitizedRequest {
  const path = percentEncodeControls(pathBeforeFragment(target), maxPathLength)
  return host === undefined ? { method, path } : { method, path, domain: percentEncodeControls(host, maxDomainLength) }
}

/**
 * Percent-encodes control characters to prevent terminal escape injection. These include C1 characters, because U+009B
 * alone begins an escape sequence.
 */
function percentEncodeControls(text: string, maxLength: number): string {
  const start = text.slice(0, maxLength)
  if (!/[\0-\x1f\x7f-\x9f]/.test(start)) return start // three times as fast as `replace`
  return start.replace(/[\0-\x1f\x7f-\x9f]/g, (byte) => `%${Buffer.from(byte, 'latin1').toString('hex').toUpperCase()}`)
}
