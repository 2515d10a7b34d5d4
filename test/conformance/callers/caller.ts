import { type Header, type Original, type ProxyResponse, type SubRequest, valuesOf, without } from '../message.ts'

/** A reverse proxy as the forward-auth server sees it. */
export type Caller = Readonly<{
  name: string
  /** How the answer is taken. `broken` is one that the proxy turns into an error of its own. */
  judge: (answer: Pick<ProxyResponse, 'status'>) => Verdict
  ask: (original: Original, server: Server) => SubRequest
}>

export type Verdict = 'allow' | 'deny' | 'broken'

export type Server = Readonly<{
  url: URL
  /** The prefix before the client's path, for a caller that appends the path. */
  pathPrefix: string
  /** Names of headers that the proxy is told to pass on, where it passes on none by itself. */
  passed: readonly string[]
}>

/** The address that all examples have for the client (RFC 5737). */
export const client = '192.0.2.10'

/** RFC 9110, 7.6.1, in the choice that Go's proxies make. */
const hopByHop = ['Connection', 'Keep-Alive', 'Te', 'Trailers', 'Transfer-Encoding', 'Upgrade']

/** Of the original's headers, those that are about the request and not about its connection or its body. */
export function endToEnd({ headers }: Original): Header[] {
  const named = valuesOf(headers, 'Connection').flatMap((value) => value.split(',').map((name) => name.trim()))
  return without(headers, [...hopByHop, ...named, 'Host', 'Content-Length'])
}

/** The headers that are there once, in place of whatever the client called so. */
export function replacing(headers: readonly Header[], ours: readonly Header[]): Header[] {
  return [
    ...without(
      headers,
      ours.map(([name]) => name),
    ),
    ...ours,
  ]
}

/** Doubled lines become one. */
export function joined(headers: readonly Header[], separator: string): Header[] {
  const names = [...new Set(headers.map(([name]) => name.toLowerCase()))]
  return names.map((name) => [name, valuesOf(headers, name).join(separator)])
}

/** Most callers ask one address, whatever the original's path. */
export function fixedTarget({ pathname, search }: URL): string {
  return pathname + search
}

/** 2xx is yes, and what else was answered is what the client gets. */
export function judgePassedOn({ status }: Pick<ProxyResponse, 'status'>): Verdict {
  if (status >= 200 && status < 300) return 'allow'
  return status >= 300 && status < 500 ? 'deny' : 'broken'
}
