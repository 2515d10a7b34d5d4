import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../http/errors.ts'

/** A refusal that the client has not heard of. */
export type BufferedResponse = Readonly<{ status: number; headers: string[]; body: Buffer[] }>

/** A refusal with a body beyond this is no message, and is passed on as it comes. In bytes. */
const maxBufferedBytes = 64 * 1024

export function createResponseBuffer(status: number, headers: string[]) {
  const body: Buffer[] = []
  let length = 0
  return Object.freeze({
    answer: { status, headers, body } as BufferedResponse,
    /** @returns whether it is still short enough to be held */
    add(chunk: Buffer): boolean {
      body.push(chunk)
      length += chunk.length
      return length <= maxBufferedBytes
    },
  })
}

/** Resolves when it is out. Rejects with GatewayError client_closed. */
export async function sendBufferedResponse(
  response: ServerResponse,
  { status, headers, body }: BufferedResponse,
): Promise<void> {
  if (response.destroyed) throw clientClosed()
  const closed = once(response, 'close')
  response.writeHead(status, headers)
  for (const piece of body) response.write(piece)
  response.end()
  await closed
  if (!response.writableFinished) throw clientClosed()
}

export function clientClosed(): GatewayError {
  return new GatewayError('client_closed', 'the client left before its answer was out')
}
