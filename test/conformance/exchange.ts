import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ProxyResponse, SubRequest } from './message.ts'
import { readResponse } from './read-answer.ts'

/**
 * Sends sub-requests one after another over one connection, byte for byte as they are, and resolves to their answers.
 * Rejects with an Error that says what did not come within `patience` milliseconds each.
 */
export async function exchange(url: URL, requests: readonly SubRequest[], patience: number): Promise<ProxyResponse[]> {
  const deadline = AbortSignal.timeout(patience * requests.length)
  const late = new Error(`no whole answer within ${patience / 1000} s`)
  const expired = once(deadline, 'abort').then(() => Promise.reject(late))
  const socket = open(url)
  try {
    return await Promise.race([expired, converse(socket, requests)])
  } finally {
    expired.catch(() => {})
    socket.destroy()
  }
}

function open({ protocol, hostname, port }: URL): Socket {
  const host = hostname.replace(/^\[|\]$/g, '')
  return protocol === 'https:'
    ? connectTls({ host, port: Number(port || 443), servername: host })
    : connectTcp({ host, port: Number(port || 80) })
}

async function converse(socket: Socket, requests: readonly SubRequest[]): Promise<ProxyResponse[]> {
  const chunks = socket.iterator({ destroyOnReturn: false })
  let pending = Buffer.alloc(0)
  const answers: ProxyResponse[] = []
  for (const request of requests) {
    socket.write(written(request), 'latin1')
    for (;;) {
      const read = readResponse(pending, request.method === 'HEAD')
      if (read !== undefined) {
        pending = pending.subarray(read.length)
        answers.push(read.answer)
        break
      }
      const { value, done } = await chunks.next()
      if (done) throw new Error(`the connection was closed after ${pending.length} bytes of an answer`)
      pending = Buffer.concat([pending, value])
    }
  }
  return answers
}

function written({ method, target, version, headers, body = '' }: SubRequest): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${target} HTTP/${version}\r\n${lines.join('')}\r\n${body}`
}
