import http from 'node:http'
import https from 'node:https'

export type Target = { url: string; username: string; password: string; caCert?: string }
export type RequestOptions = {
  method?: string
  /** Sent as JSON; a string as it is. */
  body?: unknown
  headers?: http.OutgoingHttpHeaders
  /** The credential to send instead of the target's; none if `null`. */
  as?: { username: string; password: string } | null
  timeoutMs?: number
}
/** `body` is the parsed JSON, or the text if it is not JSON. */
// biome-ignore lint/suspicious/noExplicitAny: tests read bodies of many shapes
export type ElasticsearchResponse = { status: number; headers: http.IncomingHttpHeaders; body: any }

/** Sends one request with Basic credentials to a real or fake Elasticsearch, on a connection of its own. */
export async function callElasticsearch(
  target: Target,
  path: string,
  options: RequestOptions = {},
): Promise<ElasticsearchResponse> {
  const { method = 'GET', body, as = target, timeoutMs = 30_000 } = options
  const url = new URL(path, target.url)
  const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  const headers: http.OutgoingHttpHeaders = {
    ...(as && { authorization: `Basic ${Buffer.from(`${as.username}:${as.password}`).toString('base64')}` }),
    ...(payload !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
    ...options.headers,
  }
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>()
  const signal = AbortSignal.timeout(timeoutMs)
  const requestOptions = { method, headers, signal, agent: false, ...(target.caCert && { ca: target.caCert }) }
  const request = (url.protocol === 'https:' ? https : http).request(url, requestOptions)
  request.once('response', resolve).once('error', reject).end(payload)
  const response = await promise
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return {
    status: response.statusCode!,
    headers: response.headers,
    body: parse(Buffer.concat(chunks).toString('utf8')),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
