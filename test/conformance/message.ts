export type Header = readonly [name: string, value: string]

/** What a client asked the proxy for. */
export type Original = Readonly<{
  method: string
  /** Path and query, as the client wrote them. */
  target: string
  host: string
  headers: readonly Header[]
  /** How many bytes of body follow, all at once or as chunks; none where absent. */
  body?: number
  isChunked?: boolean
}>

/** What the proxy asks the forward-auth server about it. */
export type SubRequest = Readonly<{
  method: string
  target: string
  version: '1.0' | '1.1'
  headers: readonly Header[]
  body?: string
}>

/** What the forward-auth server says to that. */
export type ProxyResponse = Readonly<{
  status: number
  /** Status line and headers, in bytes. */
  headLength: number
  headers: readonly Header[]
  body: string
}>

export function valuesOf(headers: readonly Header[], name: string): string[] {
  return headers.filter(([key]) => isSameName(key, name)).map(([, value]) => value)
}

export function without(headers: readonly Header[], names: readonly string[]): Header[] {
  return headers.filter(([key]) => !names.some((name) => isSameName(key, name)))
}

/** `Name: value`. Throws an Error that says what is wrong. */
export function parseHeader(text: string): Header {
  const colon = text.indexOf(':')
  const name = text.slice(0, colon).trim()
  if (colon === -1 || !/^[!#$%&'*+.^_`|~\w-]+$/.test(name))
    throw new Error(`"${text}" is no header; write 'Name: value'`)
  return [name, text.slice(colon + 1).trim()]
}

export function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
