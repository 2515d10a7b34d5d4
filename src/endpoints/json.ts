import type { ServerResponse } from 'node:http'

/** Ends a response with a JSON document that nobody may keep. */
export function sendJson(response: ServerResponse, status: number, document: unknown): void {
  const body = `${JSON.stringify(document, null, 2)}\n`
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  })
  response.end(body)
}
