import { request as forward } from 'node:http'
import { parsePasswordHash } from './fake-elasticsearch/password-hash.ts'
import type { reject } from './fake-elasticsearch/responses.ts'
import { startUpstream, type Upstream } from './upstream.ts'

/** Starts a proxy in front of Elasticsearch that rejects password hashes with 400, and forwards all other requests. */
export function startHashRejectingProxy(target: string): Promise<Upstream> {
  return startUpstream(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    if (body.includes('"password_hash"')) {
      const { status, headers, body: reply } = rejection
      response.writeHead(status, { ...headers, 'content-type': 'application/json' }).end(JSON.stringify(reply))
      return
    }
    const { method, url, headers } = request
    forward(new URL(url!, target), { method: method!, headers }, (upstreamResponse) => {
      response.writeHead(upstreamResponse.statusCode!, upstreamResponse.headers)
      upstreamResponse.pipe(response)
    })
      .on('error', () => response.destroy())
      .end(body)
  })
}

const rejection = (() => {
  try {
    parsePasswordHash('', true)
  } catch (error) {
    return (error as ReturnType<typeof reject>).response
  }
  throw new Error('not rejected')
})()
