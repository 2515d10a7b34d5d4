import { errors, UndiciConnection } from '@elastic/elasticsearch'
import { createConcurrencyLimit } from '../async/concurrency-limit.ts'
import { mediaTypeOf } from '../http/media-type.ts'
import { isPlainPort, mayBeTlsPort } from '../http/tls-mismatch.ts'

/** Maximum number of connections per host. Further calls wait in elastauth, so that many users do not fill Elasticsearch's queues. */
const maxConnections = 16
/** Maximum size of a response. A user takes a few kB, and all roles of a large cluster take some 100 kB. */
const maxResponseBytes = 4 * 1024 * 1024

/** The second one is sent to clients that ask for `compatible-with`. */
const jsonTypes = ['application/json', 'application/vnd.elasticsearch+json']

/** For undici, below the official client. */
export const connectionLimits = { connections: maxConnections, maxResponseSize: maxResponseBytes }

/**
 * Disables the official client's own limits, because a response with `Content-Length: 999999999999` makes the client throw an
 * uncaught error, which ends the process.
 */
const noLimits = { maxResponseSize: Number.POSITIVE_INFINITY, maxCompressedResponseSize: Number.POSITIVE_INFINITY }

/** The remaining time and attempts of one call. Passed through the official client as the call's `context`. */
export type CallBudget = {
  /** Milliseconds of work. Waiting for a free connection does not count. */
  leftMs: number
  /** Milliseconds of waiting for a free connection, on all hosts together. */
  waitLeftMs: number
  /** The number of retries that remain after a timeout: one for each other host. */
  retries: number
}

type Request = Parameters<UndiciConnection['request']>
type Response = Readonly<{ statusCode: number; headers: Readonly<Record<string, unknown>>; body: string | Buffer }>

/**
 * Adds to the official client's connection a deadline for the whole response (the client's timeouts restart with each byte), a
 * maximum response size, and a check that the response comes from Elasticsearch.
 */
export class BoundedConnection extends UndiciConnection {
  readonly #limitConcurrency = createConcurrencyLimit({ maxConcurrent: maxConnections })

  // biome-ignore lint/suspicious/noExplicitAny: the official client overloads this method for streams, which elastauth does not use
  override async request(params: Request[0], options: Request[1]): Promise<any> {
    const budget = options.context as CallBudget
    const queuedAt = performance.now()
    const leaveQueue = () => {
      budget.waitLeftMs = Math.max(0, budget.waitLeftMs - (performance.now() - queuedAt))
    }
    return this.#limitConcurrency(
      () => {
        leaveQueue()
        return this.#attempt(params, options, budget)
      },
      {
        timeoutMs: budget.waitLeftMs,
        onTimeout() {
          leaveQueue()
          return new errors.TimeoutError('timed out waiting for a free connection to Elasticsearch')
        },
      },
    )
  }

  async #attempt(params: Request[0], options: Request[1], budget: CallBudget): Promise<Response> {
    // A host that hangs uses at most half of the remaining time, so that another host can still be tried.
    const limitMs = Math.max(1, Math.ceil(budget.retries > 0 ? budget.leftMs / 2 : budget.leftMs))
    budget.retries--
    const deadline = AbortSignal.timeout(limitMs)
    const startedAt = performance.now()
    try {
      const response: Response = await super.request(params, { ...options, ...noLimits, signal: deadline })
      const reason = reasonToReject(response)
      if (reason !== undefined) throw new errors.ConnectionError(reason)
      return response
    } catch (error) {
      if (deadline.aborted) throw new errors.TimeoutError(`no complete response within ${limitMs} ms`)
      throw withSchemeHint(error, this.url)
    } finally {
      budget.leftMs -= performance.now() - startedAt
    }
  }
}

/** Adds a hint to an error that a URL with the wrong scheme may have caused. */
function withSchemeHint(error: unknown, { protocol, origin }: URL): unknown {
  if (protocol === 'https:' && isPlainPort(error))
    return new errors.ConnectionError(`${origin} does not speak TLS on this port: write http:// in elasticsearch.hosts`)
  if (protocol === 'http:' && error instanceof errors.ConnectionError && mayBeTlsPort(error))
    return new errors.ConnectionError(
      `${error.message}; if ${origin} expects TLS, write https:// in elasticsearch.hosts`,
    )
  return error
}

/**
 * Why a response cannot come from Elasticsearch, or undefined if it can. A proxy or load balancer may respond instead, and with
 * its 404 elastauth would overwrite an existing user. The official client checks only the status.
 */
function reasonToReject({ statusCode, headers }: Pick<Response, 'statusCode' | 'headers'>): string | undefined {
  if (headers['kbn-name'] !== undefined)
    return `the response ${statusCode} is Kibana's: write the URL of Elasticsearch in elasticsearch.hosts, usually with port 9200`
  const what = `the response ${statusCode} is not Elasticsearch's`
  // The official client would decompress the body without a size limit.
  if (headers['content-encoding'] !== undefined) return `${what}: it is compressed, which was not requested`
  if (statusCode === 429 || statusCode >= 500) return undefined // unavailable, whether from Elasticsearch or an intermediary
  if (statusCode >= 300 && statusCode < 400) return `${what}: it redirects`
  const type = headers['content-type']
  if (typeof type !== 'string' || !jsonTypes.includes(mediaTypeOf(type))) return `${what}: it is not JSON`
  // Elasticsearch sends no X-elastic-product header with 401 and 403.
  const isMarked = statusCode < 300 || statusCode === 404
  if (isMarked && headers['x-elastic-product'] !== 'Elasticsearch') return `${what}: it has no X-elastic-product header`
  return undefined
}
