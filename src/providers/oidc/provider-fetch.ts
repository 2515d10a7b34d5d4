import type { CustomFetch, CustomFetchOptions } from 'openid-client'
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici'
import { isLoopbackHost } from '../../../config/hosts.ts'
import { GatewayError } from '../../http/errors.ts'
import { isPlainPort, mayBeTlsPort } from '../../http/tls-mismatch.ts'

export type ProviderFetchOptions = Readonly<{
  /** CA certificates as PEM text, instead of the platform's. */
  ca?: string | undefined
  /** The URL of an HTTP proxy through which the provider is reached. */
  httpProxy?: string | undefined
  /** Additional headers for every call. The protocol's own headers take precedence. */
  customHeaders: Readonly<Record<string, string>>
  /** The timeout for a whole call. */
  timeoutMs: number
  /** Allows plain HTTP to other machines, where tokens and secrets can be read in transit. */
  allowHttp: boolean
  /** Traces each request; undefined if tracing is off. */
  traceFetch?: ((fetch: CustomFetch) => CustomFetch) | undefined
  /** Called after each call; undefined if calls are not counted. @param seconds the duration of the call */
  report?: ((url: URL, result: ProviderResult, seconds: number) => void) | undefined
}>

/** The values of a metric label. `rejected`: status 4xx. */
export type ProviderResult = 'ok' | 'rejected' | 'unavailable'

export type ProviderFetch = Readonly<{
  /** A `fetch` function in the form that openid-client expects. Rejects with GatewayError provider_unavailable. */
  fetch: CustomFetch
  /** @returns a function that makes new calls use other CA certificates; pending calls keep the previous ones */
  prepareRenewal: (ca: string | undefined) => () => void
  close: () => Promise<void>
}>

/** Limits the memory for a response. Providers' documents are smaller than this. */
const maxBodyBytes = 1024 * 1024
const maxHeaderBytes = 32 * 1024
const maxConnections = 24
/** Calls beyond this number are rejected at once, since they would time out before they are sent. */
const maxPendingCalls = 256

/**
 * The HTTP client for the identity provider. It limits time, size and number of calls, follows no redirects, and
 * requires TLS unless `allowHttp` is set.
 */
export function createProviderFetch(options: ProviderFetchOptions): ProviderFetch {
  const { customHeaders, timeoutMs, allowHttp, report } = options
  let current = { ca: options.ca, dispatcher: createDispatcher(options) }
  let pendingCalls = 0

  const fetch: CustomFetch = async function providerFetch(address, { method, headers, body, signal }) {
    const url = new URL(address)
    checkScheme(url, allowHttp)
    if (pendingCalls >= maxPendingCalls) throw unavailable(`${maxPendingCalls} calls wait for the provider already`)
    const deadline = AbortSignal.timeout(timeoutMs)
    const startedAt = performance.now()
    let result: ProviderResult = 'unavailable'
    pendingCalls++
    try {
      const response = await request(url, {
        dispatcher: current.dispatcher,
        method: method as Dispatcher.HttpMethod,
        headers: { ...withLowerCaseNames(customHeaders), ...withLowerCaseNames(headers) },
        body: toRequestBody(body),
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      })
      const content = await response.body.arrayBuffer()
      result = resultOf(response.statusCode)
      return toResponse(response, content)
    } catch (cause) {
      const hint = options.httpProxy === undefined ? schemeHintFor(cause, url) : ''
      throw unavailable(`${url.origin} ${reasonOf(cause, timeoutMs)}${hint}`, cause)
    } finally {
      pendingCalls--
      report?.(url, result, (performance.now() - startedAt) / 1000)
    }
  }

  return Object.freeze({
    fetch: options.traceFetch?.(fetch) ?? fetch,
    prepareRenewal(ca: string | undefined) {
      if (ca === current.ca) return () => {}
      const renewed = { ca, dispatcher: createDispatcher({ ...options, ca }) }
      return () => {
        const { dispatcher: previous } = current
        current = renewed
        void previous.close()
      }
    },
    close: () => current.dispatcher.destroy(),
  })
}

function createDispatcher({ ca, httpProxy, timeoutMs }: ProviderFetchOptions): Dispatcher {
  const tls = ca === undefined ? {} : { ca }
  const limits = {
    connections: maxConnections,
    pipelining: 1,
    maxResponseSize: maxBodyBytes,
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  }
  if (httpProxy === undefined) return new Agent({ ...limits, connect: { ...tls, timeout: timeoutMs } })
  return new ProxyAgent({ ...limits, uri: httpProxy, requestTls: { ...tls, timeout: timeoutMs }, proxyTls: tls })
}

function checkScheme(url: URL, allowHttp: boolean): void {
  if (url.protocol === 'https:') return
  if (url.protocol === 'http:' && (allowHttp || isLoopbackHost(url.hostname))) return
  throw unavailable(`${url.origin} is not https, and oidc.allow_http is false`)
}

function withLowerCaseNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function toRequestBody(body: CustomFetchOptions['body']): string | null {
  return body instanceof URLSearchParams ? body.toString() : ((body as string | null | undefined) ?? null)
}

function resultOf(status: number): ProviderResult {
  if (status >= 500) return 'unavailable'
  return status >= 400 ? 'rejected' : 'ok'
}

function toResponse({ statusCode, headers }: Dispatcher.ResponseData, content: ArrayBuffer): Response {
  return new Response(isWithoutBody(statusCode) ? null : content, { status: statusCode, headers: toPairs(headers) })
}

function toPairs(headers: Record<string, string | string[] | undefined>): [string, string][] {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values ?? []].flat().map((value): [string, string] => [name, value]),
  )
}

/** The statuses for which the constructor of `Response` accepts no body. */
function isWithoutBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

/**
 * The reason of a failure for the log. Nothing is copied from undici's messages and objects, which may contain the
 * request with its secrets.
 */
function reasonOf(error: unknown, timeoutMs: number): string {
  const { name, code } = error as { name?: string; code?: string }
  if (name === 'TimeoutError' || code?.endsWith('_TIMEOUT')) return `did not respond within ${timeoutMs} ms`
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return `sent more than ${maxBodyBytes} bytes`
  return `cannot be reached: ${code ?? name ?? 'no reason given'}`
}

/** A hint for an error that a URL with the wrong scheme may have caused. */
function schemeHintFor(error: unknown, { protocol }: URL): string {
  if (protocol === 'https:' && isPlainPort(error))
    return '; this port does not speak TLS: correct the port in oidc.issuer, or write http:// there'
  if (protocol === 'http:' && mayBeTlsPort(error)) return '; if this port expects TLS, write https:// in oidc.issuer'
  return ''
}

function unavailable(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('provider_unavailable', `the identity provider: ${detail}`, { cause })
}
