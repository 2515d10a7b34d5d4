import http from 'node:http'
import https from 'node:https'

export type Target = { url: string; username: string; password: string; caCert?: string }
export type RequestOptions = {
  method?: string
  /** Sent as JSON; a string goes as it is. */
  body?: unknown
  headers?: http.OutgoingHttpHeaders
  /** Whose credential to send, instead of the target's own; `null` sends none. */
  as?: { username: string; password: string } | null
  timeoutMs?: number
}
/** `body` is the parsed JSON, or the text where it is not JSON. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever came
export type ElasticsearchResponse = { status: number; headers: http.IncomingHttpHeaders; body: any }

/** One request to an Elasticsearch (real or stand-in) with Basic credentials, on a connection of its own. */
export async function callElasticsearch(
  target: Target,
  path: string,
  question: RequestOptions = {},
): Promise<ElasticsearchResponse> {
  const { method = 'GET', body, as = target, timeoutMs = 30_000 } = question
  const url = new URL(path, target.url)
  const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  const headers: http.OutgoingHttpHeaders = {
    ...(as && { authorization: `Basic ${Buffer.from(`${as.username}:${as.password}`).toString('base64')}` }),
    ...(payload !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
    ...question.headers,
  }
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>()
  const signal = AbortSignal.timeout(timeoutMs)
  const options = { method, headers, signal, agent: false, ...(target.caCert && { ca: target.caCert }) }
  const request = (url.protocol === 'https:' ? https : http).request(url, options)
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
