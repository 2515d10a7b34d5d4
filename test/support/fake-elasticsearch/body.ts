import type { IncomingMessage } from 'node:http'
import { reject } from './responses.ts'

export async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** The JSON object in a request's body, or a 400. */
export function parseObject(text: string): Record<string, unknown> {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw reject(400, 'x_content_parse_exception', 'the body is not JSON')
  }
  if (Array.isArray(body)) throw reject(400, 'parse_exception', 'expected an object, but found token [START_ARRAY]')
  if (typeof body !== 'object' || body === null) throw reject(400, 'parse_exception', 'expected an object')
  return body as Record<string, unknown>
}
