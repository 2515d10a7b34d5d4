import type { CustomFetch, CustomFetchOptions } from 'openid-client'
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici'
import { isLoopbackHost } from '../../../config/hosts.ts'
import { GatewayError } from '../../http/errors.ts'

export type ProviderFetchOptions = Readonly<{
  /** CA certificates as PEM text, instead of the platform's. */
  ca?: string | undefined
  /** The URL of an HTTP proxy through which the provider is reached. */
  httpProxy?: string | undefined
  /** Sent with every call. The protocol's own headers take precedence. */
  customHeaders: Readonly<Record<string, string>>
  /** For a whole call. */
  timeoutMs: number
  /** Allows plain HTTP to other machines, where tokens and secrets can be read in transit. */
  allowHttp: boolean
}>

export type ProviderFetch = Readonly<{
  /** In the form that openid-client expects. Rejects with GatewayError provider_unavailable. */
  fetch: CustomFetch
  /** Uses other CA certificates for new calls; pending calls keep the old ones. */
  replaceCa: (ca: string | undefined) => void
  close: () => Promise<void>
}>

/** No document of a provider is this long: a larger response would only fill the memory. */
const maxBodyBytes = 1024 * 1024
const maxHeaderBytes = 32 * 1024
const maxConnections = 24
/** Further calls are rejected at once, since they would time out before they are sent. */
const maxPendingCalls = 256

/** HTTP to the identity provider, with limits for time, size and number of calls, without redirects, and over TLS. */
export function createProviderFetch(options: ProviderFetchOptions): ProviderFetch {
  const { customHeaders, timeoutMs, allowHttp } = options
  let current = { ca: options.ca, dispatcher: createDispatcher(options) }
  let pendingCalls = 0

  const fetch: CustomFetch = async function providerFetch(address, { method, headers, body, signal }) {
    const url = new URL(address)
    checkScheme(url, allowHttp)
    if (pendingCalls >= maxPendingCalls) throw unavailable(`${maxPendingCalls} calls wait for the provider already`)
    const deadline = AbortSignal.timeout(timeoutMs)
    pendingCalls++
    try {
      const response = await request(url, {
        dispatcher: current.dispatcher,
        method: method as Dispatcher.HttpMethod,
        headers: { ...withLowerCaseNames(customHeaders), ...withLowerCaseNames(headers) },
        body: toRequestBody(body),
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      })
      return toResponse(response, await response.body.arrayBuffer())
    } catch (cause) {
      throw unavailable(`${url.origin} ${reasonOf(cause, timeoutMs)}`, cause)
    } finally {
      pendingCalls--
    }
  }

  return Object.freeze({
    fetch,
    replaceCa(ca: string | undefined) {
      if (ca === current.ca) return
      const { dispatcher: previous } = current
      current = { ca, dispatcher: createDispatcher({ ...options, ca }) }
      void previous.close()
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

/** Copies nothing from undici's messages and objects: they may contain the request, and so a secret. */
function reasonOf(error: unknown, timeoutMs: number): string {
  const { name, code } = error as { name?: string; code?: string }
  if (name === 'TimeoutError' || code?.endsWith('_TIMEOUT')) return `did not respond within ${timeoutMs} ms`
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return `sent more than ${maxBodyBytes} bytes`
  return `cannot be reached: ${code ?? name ?? 'no reason given'}`
}

function unavailable(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('provider_unavailable', `the identity provider: ${detail}`, { cause })
}
