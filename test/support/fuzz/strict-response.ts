/**
 * Reads what came on one connection as answers by the letter of RFC 9112: each as long as it says, with nothing between
 * them, and nothing behind one that closes. The last may be cut: its client has left.
 * @param body what the upstream says to this client
 * @param mayBeToHead whether one may be to HEAD: it has a length and no body
 * @returns what is wrong with them
 */
export function findResponseFault(text: string, body: string, mayBeToHead: boolean): string | undefined {
  for (let rest = text; rest !== ''; ) {
    const head = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e]*\r\n(?:[\w-]+: [\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/.exec(rest)
    if (head === null)
      return rest.includes('\r\n\r\n') ? `no answer at ${JSON.stringify(rest.slice(0, 80))}` : undefined
    rest = rest.slice(head[0].length)
    const status = Number(head[1])
    if (status < 200) continue
    const [, length] = /^content-length: (\d+)\r$/im.exec(head[0]) ?? []
    if (length === undefined) return `an answer without a length: ${head[0]}`
    const isBodiless = mayBeToHead && (rest === '' || rest.startsWith('HTTP/1.1 '))
    const own = isBodiless ? '' : rest.slice(0, Number(length))
    if (!isBodiless && own.length < Number(length)) return undefined
    if (own !== '' && !(status === 200 ? own === body : isErrorOfOurs(own))) return `a body that is none: ${own}`
    rest = rest.slice(own.length)
    if (rest !== '' && /^connection: close\r$/im.test(head[0])) return `words behind the last answer: ${rest}`
  }
  return undefined
}

function isErrorOfOurs(body: string): boolean {
  return /^\{"error":"[a-z_]+","message":"[^"]*","request_id":"[\w-]+"\}\n$/.test(body)
}
