import type { Header } from '../support/raw-http.ts'

/** The request that a client sends to the proxy. */
export type Original = Readonly<{
  method: string
  /** Path and query, as the client sent them. */
  target: string
  host: string
  headers: readonly Header[]
}>

/** The request that the proxy sends to the forward-auth server about it. */
export type SubRequest = Readonly<{
  method: string
  target: string
  version: '1.0' | '1.1'
  headers: readonly Header[]
  body?: string
}>

export function without(headers: readonly Header[], names: readonly string[]): Header[] {
  return headers.filter(([key]) => !names.some((name) => isSameName(key, name)))
}

/** Parses `Name: value`. Throws an Error that says what is wrong. */
export function parseHeader(text: string): Header {
  const colon = text.indexOf(':')
  const name = text.slice(0, colon).trim()
  if (colon === -1 || !/^[!#$%&'*+.^_`|~\w-]+$/.test(name))
    throw new Error(`"${text}" is not a header: write 'Name: value'`)
  return [name, text.slice(colon + 1).trim()]
}

export function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
