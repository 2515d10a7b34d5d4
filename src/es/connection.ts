import { errors, UndiciConnection } from '@elastic/elasticsearch'

/** Connections to one host. Further requests wait here, so that a crowd does not fill Elasticsearch's queues. */
const maxConnections = 16
/** What one response may hold, in bytes: a user takes a few kB, all roles of a large cluster some 100 kB. */
const maxResponseBytes = 4 * 1024 * 1024

/** For undici, below the official client. */
export const connectionLimits = { connections: maxConnections, maxResponseSize: maxResponseBytes }

/** The official client's own limits: at `Content-Length: 999999999999` it ends the process by an error that nobody can catch. */
const noLimits = { maxResponseSize: Number.POSITIVE_INFINITY, maxCompressedResponseSize: Number.POSITIVE_INFINITY }

/** The time that one call has, whatever its attempts. Travels as the call's `context` through the official client. */
export type CallBudget = {
  /** Milliseconds of work. Waiting for a free connection does not count. */
  leftMs: number
  /** Milliseconds of waiting for a free connection, on all hosts together. */
  waitLeftMs: number
  /** Attempts that may follow one that timed out: one for each other host. */
  retries: number
}

type Request = Parameters<UndiciConnection['request']>
type Response = Readonly<{ statusCode: number; headers: Readonly<Record<string, unknown>>; body: string | Buffer }>

/**
 * The official client's connection, with what it leaves open: a deadline over the whole response (its own time limits start
 * again with each byte), a limit to the response's size, and a check that the response is Elasticsearch's.
 */
export class BoundedConnection extends UndiciConnection {
  #active = 0
  readonly #waiting = new Set<() => void>()

  // biome-ignore lint/suspicious/noExplicitAny: the official client overloads it for streams, which we do not use
  override async request(params: Request[0], options: Request[1]): Promise<any> {
    const budget = options.context as CallBudget
    await this.#waitForTurn(budget)
    try {
      return await this.#attempt(params, options, budget)
    } finally {
      this.#active--
      this.#next()
    }
  }

  async #attempt(params: Request[0], options: Request[1], budget: CallBudget): Promise<Response> {
    // A host that hangs leaves half of the time to the others.
    const limitMs = budget.retries > 0 ? budget.leftMs / 2 : budget.leftMs
    budget.retries--
    const deadline = AbortSignal.timeout(Math.max(1, Math.ceil(limitMs)))
    const startedAt = performance.now()
    try {
      const response: Response = await super.request(params, { ...options, ...noLimits, signal: deadline })
      const fault = faultOf(response)
      if (fault !== undefined) throw new errors.ConnectionError(fault)
      return response
    } catch (error) {
      if (deadline.aborted) throw new errors.TimeoutError(`no whole response within ${Math.round(limitMs)} ms`)
      throw error
    } finally {
      budget.leftMs -= performance.now() - startedAt
    }
  }

  async #waitForTurn(budget: CallBudget): Promise<void> {
    if (this.#active < maxConnections) {
      this.#active++
      return
    }
    const startedAt = performance.now()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.add(resolve)
    const timer = setTimeout(() => {
      this.#waiting.delete(resolve)
      reject(new errors.TimeoutError('no connection to Elasticsearch was free in time'))
    }, budget.waitLeftMs)
    await promise.finally(() => {
      clearTimeout(timer)
      budget.waitLeftMs = Math.max(0, budget.waitLeftMs - (performance.now() - startedAt))
    })
  }

  #next(): void {
    const [first] = this.#waiting
    if (first === undefined || this.#active >= maxConnections) return
    this.#waiting.delete(first)
    this.#active++
    first()
  }
}

/**
 * Why a response is not Elasticsearch's own, or undefined where it may be. Proxies and load balancers in between answer
 * too, and a wrong "not found" would have us overwrite a user. The official client goes by the status alone.
 */
export function faultOf({ statusCode, headers }: Pick<Response, 'statusCode' | 'headers'>): string | undefined {
  const what = `the response ${statusCode} is not Elasticsearch's`
  // The official client would unpack it, however large it becomes.
  if (headers['content-encoding'] !== undefined) return `${what}: it is compressed, which was not asked for`
  if (statusCode === 429 || statusCode >= 500) return undefined // not available, whoever says so
  if (statusCode >= 300 && statusCode < 400) return `${what}: it redirects`
  const type = headers['content-type']
  if (typeof type !== 'string' || !/^application\/(vnd\.elasticsearch\+)?json\s*(;|$)/i.test(type))
    return `${what}: it is no JSON`
  // Elasticsearch's 401 and 403 have no such header.
  const isMarked = statusCode < 300 || statusCode === 404
  if (isMarked && headers['x-elastic-product'] !== 'Elasticsearch') return `${what}: it has no X-elastic-product header`
  return undefined
}
