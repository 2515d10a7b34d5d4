import type { OriginalRequest } from '../auth/original-request.ts'
import { pathBeforeFragment } from '../http/target.ts'

/** The parts of a request that may be logged. `path` excludes the query, which may contain a secret. */
export type SanitizedRequest = Readonly<{ method: string; path: string; domain?: string | undefined }>

const maxPathLength = 2048
const maxDomainLength = 255

export function sanitize({ method, target, host }: OriginalRequest): SanitizedRequest {
  return {
    method,
    path: escapeControls(pathBeforeFragment(target), maxPathLength),
    ...(host !== undefined && { domain: escapeControls(host, maxDomainLength) }),
  }
}

/** Prevents terminal escape injection: control characters (C0, C1 such as U+009B, which begins a sequence by itself) are percent-encoded. */
function escapeControls(text: string, maxLength: number): string {
  return text
    .slice(0, maxLength)
    .replace(/[\0-\x1f\x7f-\x9f]/g, (byte) => `%${Buffer.from(byte, 'latin1').toString('hex').toUpperCase()}`)
}
