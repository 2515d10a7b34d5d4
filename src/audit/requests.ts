import type { ServerResponse } from 'node:http'
import { asGatewayError, errorTable } from '../http/errors.ts'
import { pathBeforeFragment } from '../http/target.ts'
import { requestFieldsOf, statusOf, type TraceOf } from '../observability/request-log.ts'
import type { ExchangeObserver, ObservedExchange } from '../proxy/observe.ts'
import {
  type BodyKind,
  bodyKindOf,
  boundIndexNames,
  type IndexNames,
  indexNamesOfBody,
  indexNamesOfPath,
} from './index-names.ts'

/** How much of a body is read for index names. */
const maxHeadBytes = 64 * 1024

const noNames: IndexNames = { names: [] }

type RecordFields = (fields: Readonly<Record<string, unknown>>, message: string) => void

/** Records one forwarded request when it ends. Its body is not changed or delayed. */
export class RequestObserver implements ExchangeObserver {
  readonly #exchange: ObservedExchange
  readonly #record: RecordFields
  /** Read at the start, because a closed connection has no address. */
  readonly #fields: ReturnType<typeof requestFieldsOf>
  readonly #names: readonly string[]
  #head: BodyHead | undefined
  #bodyNames: IndexNames = noNames
  #requestBytes = 0
  #responseBytes = 0

  constructor(exchange: ObservedExchange, traceOf: TraceOf, record: RecordFields) {
    const { context, path, username, credential } = exchange
    const { method = '', headers } = context.request
    const name = pathBeforeFragment(path)
    this.#exchange = exchange
    this.#record = record
    this.#fields = requestFieldsOf(context, { username, credential }, traceOf(context))
    this.#names = indexNamesOfPath(method, name)
    const kind = bodyKindOf(name)
    if (kind === undefined) return
    if (headers['content-encoding'] === undefined) this.#head = new BodyHead(kind)
    else this.#bodyNames = { names: [], incomplete: 'compressed' }
  }

  onRequestData(chunk: Buffer): void {
    this.#requestBytes += chunk.length
    if (this.#head?.add(chunk) === false) this.#readHead(false)
  }

  onResponseData(chunk: Buffer): void {
    this.#responseBytes += chunk.length
  }

  onEnd(error?: unknown): void {
    const { context, response } = this.#exchange
    this.#readHead(true)
    const status = error === undefined ? statusOf(response) : failedStatus(error, response)
    const { names, incomplete } = this.#indexNames()
    const fields = {
      ...this.#fields,
      'event.kind': 'event',
      'event.category': ['web'],
      'event.type': ['access'],
      'event.action': 'request_forwarded',
      'event.outcome': status < 400 ? 'success' : 'failure',
      'http.response.status_code': status,
      'event.duration': Math.round((performance.now() - context.startedAt) * 1e6),
      'http.request.body.bytes': this.#requestBytes,
      'http.response.body.bytes': this.#responseBytes,
      'elastauth.request.indices': names.length === 0 ? undefined : names,
      'elastauth.request.indices_incomplete': incomplete,
    }
    this.#record(fields, [fields['http.request.method'], fields['url.path'], status].join(' '))
  }

  #indexNames(): IndexNames {
    const names = this.#names.length === 0 ? this.#bodyNames.names : [...this.#names, ...this.#bodyNames.names]
    return names.length === 0 ? this.#bodyNames : boundIndexNames({ ...this.#bodyNames, names })
  }

  #readHead(isWhole: boolean): void {
    if (this.#head === undefined) return
    this.#bodyNames = this.#head.read(isWhole)
    this.#head = undefined
  }
}

/** A copy of the beginning of a body, because a part of a received chunk would keep the whole chunk in memory. */
class BodyHead {
  readonly #kind: BodyKind
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(kind: BodyKind) {
    this.#kind = kind
  }

  /** @returns false if the body is longer than what is read */
  add(chunk: Buffer): boolean {
    const part = Buffer.from(chunk.subarray(0, maxHeadBytes - this.#bytes))
    this.#chunks.push(part)
    this.#bytes += part.length
    return part.length === chunk.length
  }

  read(isWhole: boolean): IndexNames {
    return indexNamesOfBody(this.#kind, Buffer.concat(this.#chunks).toString('utf8'), isWhole)
  }
}

/** The status that the client receives. */
function failedStatus(thrown: unknown, { headersSent, statusCode }: ServerResponse): number {
  const { code } = asGatewayError(thrown)
  return headersSent && code !== 'client_closed' ? statusCode : errorTable[code].status
}
