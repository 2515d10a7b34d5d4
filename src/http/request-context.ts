import type { IncomingMessage } from 'node:http'

/** The client's request, as a proxy in front of elastauth describes it in a sub-request. */
export type OriginalRequest = Readonly<{
  method: string
  /** Path and query, in origin form (RFC 9112, section 3.2.1). */
  target: string
  /** The host that the client requested, if a proxy reports the host. */
  host?: string | undefined
}>

/** How requests are read, which depends on reloadable keys. */
export type RequestReader = Readonly<{
  /** Whether a request comes from a trusted proxy, whose headers may assert an identity. */
  isTrusted: (request: IncomingMessage) => boolean
  /** Why a request is not trusted, and what to do if it comes from the proxy; for the log. */
  explainDistrust: (request: IncomingMessage) => string
  originalOf: (request: IncomingMessage, isTrusted: boolean) => OriginalRequest
  /** The address of the client, from a trusted proxy's header or the connection. */
  clientAddressOf: (request: IncomingMessage, isTrusted: boolean) => string | undefined
}>

/**
 * A request with everything that is known about it before its user is authenticated. It is created once per request and passed
 * on. What `reader` reads is computed at its first use, at most once: comparing the proxy secret costs two hashes.
 */
export class RequestContext {
  readonly request: IncomingMessage
  /** Names the request in the log and in error responses. */
  readonly id: string
  /** The value of `performance.now()` when the request arrived. */
  readonly startedAt: number
  /**
   * The value of `performance.now()` when the head of an upstream's response was passed on to the client; undefined for any
   * other response. Only the metrics use it, so it is not always set if they are disabled.
   */
  respondedAt: number | undefined
  readonly #reader: RequestReader
  #isTrusted: boolean | undefined
  #original: OriginalRequest | undefined

  constructor(request: IncomingMessage, reader: RequestReader, id: string, startedAt: number) {
    this.request = request
    this.id = id
    this.startedAt = startedAt
    this.#reader = reader
  }

  get isTrusted(): boolean {
    this.#isTrusted ??= this.#reader.isTrusted(this.request)
    return this.#isTrusted
  }

  /** Why the request is not trusted, for the log. */
  explainDistrust(): string {
    return this.#reader.explainDistrust(this.request)
  }

  /** The request itself, unless it is a sub-request of a trusted proxy. */
  get original(): OriginalRequest {
    this.#original ??= this.#reader.originalOf(this.request, this.isTrusted)
    return this.#original
  }

  /**
   * The address of the client, also behind a trusted proxy. Undefined if it is unknown. Read from the headers at each use,
   * because the hit path does not need it.
   */
  get clientAddress(): string | undefined {
    return this.#reader.clientAddressOf(this.request, this.isTrusted)
  }
}
