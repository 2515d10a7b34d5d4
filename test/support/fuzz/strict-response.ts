/**
 * Parses what was received on one connection as responses according to RFC 9112: each as long as its length says, with nothing
 * between them (response splitting), and nothing after one that closes the connection. The last response may be incomplete,
 * because the client has closed the connection.
 * @param body the body that the upstream sends to this client
 * @param mayBeToHead whether one of the requests may be HEAD, whose response has a length but no body
 * @returns the first violation
 */
export function findResponseFault(text: string, body: string, mayBeToHead: boolean): string | undefined {
  for (let rest = text; rest !== ''; ) {
    const result = checkFirstResponse(rest, body, mayBeToHead)
    if (result.fault !== undefined) return result.fault
    rest = result.rest
  }
  return undefined
}

/** @returns what follows the first response, or its fault. Nothing follows an incomplete response. */
function checkFirstResponse(text: string, body: string, mayBeToHead: boolean): { rest: string; fault?: string } {
  const head = parseHead(text)
  if (head === undefined)
    return text.includes('\r\n\r\n') ? failed(`not a response: ${JSON.stringify(text.slice(0, 80))}`) : { rest: '' }
  const rest = text.slice(head.text.length)
  if (head.status < 200) return { rest }
  if (head.length === undefined) return failed(`a response without a length: ${head.text}`)
  const isBodyOmitted = mayBeToHead && (rest === '' || rest.startsWith('HTTP/1.1 '))
  const length = isBodyOmitted ? 0 : head.length
  if (rest.length < length) return { rest: '' }
  const received = rest.slice(0, length)
  if (!isExpectedBody(received, head.status, body)) return failed(`an unexpected body: ${received}`)
  const next = rest.slice(length)
  return next !== '' && head.isLast ? failed(`bytes after the last response: ${next}`) : { rest: next }
}

function failed(fault: string) {
  return { rest: '', fault }
}

type Head = Readonly<{ text: string; status: number; length: number | undefined; isLast: boolean }>

function parseHead(bytes: string): Head | undefined {
  const match = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e]*\r\n(?:[\w-]+: [\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/.exec(bytes)
  if (match === null) return undefined
  const [text, status] = match
  const [, length] = /^content-length: (\d+)\r$/im.exec(text) ?? []
  return {
    text,
    status: Number(status),
    length: length === undefined ? undefined : Number(length),
    isLast: /^connection: close\r$/im.test(text),
  }
}

function isExpectedBody(received: string, status: number, body: string): boolean {
  return received === '' || (status === 200 ? received === body : isGatewayError(received))
}

function isGatewayError(body: string): boolean {
  return /^\{"error":"[a-z_]+","message":"[^"]*","request_id":"[\w-]+"\}\n$/.test(body)
}
