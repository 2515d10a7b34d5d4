import { openRaw, type RawResponse } from '../support/raw-http.ts'
import type { SubRequest } from './message.ts'

/**
 * Sends sub-requests over one connection, byte for byte, each after the response to the one before it.
 * Rejects with an Error that names what is missing, at the latest after `timeoutMs` for each request.
 */
export async function exchange(url: URL, requests: readonly SubRequest[], timeoutMs: number): Promise<RawResponse[]> {
  const connection = openRaw(url)
  const timedOut = new Error(`no complete response within ${timeoutMs / 1000} s`)
  const timer = setTimeout(() => connection.socket.destroy(timedOut), timeoutMs * requests.length)
  try {
    const responses: RawResponse[] = []
    for (const request of requests) {
      connection.send(serialize(request))
      responses.push(await connection.readResponse({ isHead: request.method === 'HEAD' }))
    }
    return responses
  } finally {
    clearTimeout(timer)
    connection.socket.destroy()
  }
}

function serialize({ method, target, version, headers, body = '' }: SubRequest): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${target} HTTP/${version}\r\n${lines.join('')}\r\n${body}`
}
