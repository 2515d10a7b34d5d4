import type { IncomingMessage } from 'node:http'
import type { Answer, StreamedAnswer } from './answer.ts'
import { GatewayError } from './errors.ts'
import type { Soon } from './soon.ts'

/** Request → answer. Throws, or rejects with, GatewayError. */
export type Handler = (request: IncomingMessage) => Soon<Answer>

/** What answers all that is not for a page of ours: forward auth, or the proxy. Throws, or rejects with, GatewayError. */
export type Mode = (request: IncomingMessage) => Soon<Answer | StreamedAnswer>

/** Our own pages, by the exact path under which each is found. */
export type Pages = ReadonlyMap<string, Page>

export type Page = Readonly<{ methods: readonly string[]; handle: Handler }>

/** What every page may be asked by, unless it says otherwise. */
export const readMethods: readonly string[] = ['GET', 'HEAD']

/** Who answers: the mode, or one of our own pages. Throws GatewayError not_found, method_not_allowed. */
export function route({ url = '/', method }: IncomingMessage, handle: Mode, pages: Pages): Mode {
  const path = ownPath(url)
  if (path === undefined) return handle
  const page = pages.get(path)
  if (page === undefined) throw new GatewayError('not_found', 'no such page of elastauth’s own')
  const { methods } = page
  if (!methods.includes(method ?? ''))
    throw new GatewayError('method_not_allowed', `only ${methods.join(', ')}`, { allow: methods })
  return page.handle
}

/** Whether a request is for a page of ours. */
export function isOwn({ url = '/' }: IncomingMessage): boolean {
  return ownPath(url) !== undefined
}

const ownPrefix = '/elastauth/'

/** The path under `/elastauth/`, decoded once, or undefined when it is the mode's. Nothing is normalised: `/x/../elastauth/` is not ours. */
export function ownPath(url: string): string | undefined {
  // Every request comes by here; few hold a `%`, and decoding costs.
  if (!url.startsWith(ownPrefix) && !url.includes('%')) return undefined
  const end = url.search(/[?#]/)
  try {
    const path = decodeURIComponent(end === -1 ? url : url.slice(0, end))
    return path.startsWith(ownPrefix) ? path : undefined
  } catch {
    return undefined
  }
}
