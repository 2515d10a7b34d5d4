import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { keepAlive } from '../keep-alive.ts'
import { createSignal } from '../wait.ts'
import { decodeMessage, type Fields, hexOf, messagesOf, numberOf, textOf } from './protobuf.ts'

export type ReceivedSpan = Readonly<{
  traceId: string
  spanId: string
  /** Empty for the first span of a trace. */
  parentId: string
  traceState: string
  name: string
  kind: string
  attributes: Readonly<Record<string, unknown>>
  status: 'unset' | 'ok' | 'error'
  /** The message of the status and the number of events: both could contain what must not be exported. */
  statusMessage: string
  events: number
  links: readonly Readonly<{ traceId: string; spanId: string }>[]
  startedAt: bigint
  endedAt: bigint
  resource: Readonly<Record<string, unknown>>
}>

export type OtlpReceiver = Readonly<{
  url: string
  /** Variables with which elastauth exports to the receiver, every 20 ms. */
  env: Readonly<Record<string, string>>
  spans: readonly ReceivedSpan[]
  /** The headers of each export. */
  exports: readonly IncomingHttpHeaders[]
  /** All bytes received, for tests that look for secrets in them. */
  bytes: () => Buffer
  /** Resolves to the first span that is accepted. */
  received: (accepts: (span: ReceivedSpan) => boolean) => Promise<ReceivedSpan>
  /** Resolves when that many exports have been received. */
  exported: (count: number) => Promise<void>
  /** Replaces the response until it is called without a listener. */
  respondWith: (listener?: RequestListener) => void
}>

/** Starts a server that receives OTLP over HTTP, until the tests of the file have ended. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const exports: IncomingHttpHeaders[] = []
  const chunks: Buffer[] = []
  const { notify, waitFor } = createSignal()
  let respond: RequestListener | undefined
  const server = createServer(keepAlive, async (request, response) => {
    const parts = await request.toArray()
    exports.push(request.headers)
    notify()
    if (respond !== undefined) return respond(request, response)
    const body = Buffer.concat(parts)
    const message = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
    chunks.push(message)
    if (request.url === '/v1/traces') spans.push(...decodeSpans(message))
    notify()
    response.setHeader('Content-Type', 'application/x-protobuf').end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.freeze({
    url,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_SCHEDULE_DELAY: '20' },
    spans,
    exports,
    bytes: () => Buffer.concat(chunks),
    received: async (accepts: (span: ReceivedSpan) => boolean) => (await waitFor(() => spans.find(accepts)))!,
    async exported(count: number) {
      await waitFor(() => (exports.length >= count ? true : undefined))
    },
    respondWith(listener?: RequestListener) {
      respond = listener
    },
  })
}

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']
const statuses = ['unset', 'ok', 'error'] as const

/** Decodes an `ExportTraceServiceRequest` (opentelemetry/proto/collector/trace/v1/trace_service.proto). */
function decodeSpans(bytes: Buffer): ReceivedSpan[] {
  return messagesOf(decodeMessage(bytes), 1).flatMap((resourceSpans) => {
    const resource = attributesOf(messagesOf(resourceSpans, 1)[0]!, 1)
    return messagesOf(resourceSpans, 2).flatMap((scopeSpans) =>
      messagesOf(scopeSpans, 2).map((span) => toSpan(span, resource)),
    )
  })
}

function toSpan(span: Fields, resource: ReceivedSpan['resource']): ReceivedSpan {
  const [status] = messagesOf(span, 15)
  return {
    traceId: hexOf(span, 1),
    spanId: hexOf(span, 2),
    traceState: textOf(span, 3),
    parentId: hexOf(span, 4),
    name: textOf(span, 5),
    kind: kinds[numberOf(span, 6)]!,
    startedAt: nanosecondsOf(span, 7),
    endedAt: nanosecondsOf(span, 8),
    attributes: attributesOf(span, 9),
    events: messagesOf(span, 11).length,
    links: messagesOf(span, 13).map((link) => ({ traceId: hexOf(link, 1), spanId: hexOf(link, 2) })),
    status: statuses[status === undefined ? 0 : numberOf(status, 3)]!,
    statusMessage: status === undefined ? '' : textOf(status, 2),
    resource,
  }
}

function nanosecondsOf(span: Fields, number: number): bigint {
  return span.get(number)![0] as bigint
}

function attributesOf(fields: Fields, number: number): Record<string, unknown> {
  return Object.fromEntries(
    messagesOf(fields, number).map((attribute) => [textOf(attribute, 1), anyValueOf(messagesOf(attribute, 2)[0]!)]),
  )
}

/** The value of an `AnyValue`: a text, a boolean or an integer. */
function anyValueOf(value: Fields): unknown {
  if (value.has(1)) return textOf(value, 1)
  if (value.has(2)) return numberOf(value, 2) === 1
  if (value.has(3)) return numberOf(value, 3)
  throw new Error('an attribute of another type')
}
