import type { CustomFetch } from 'openid-client'
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici'
import { isLoopbackHost } from '../../../config/hosts.ts'
import { GatewayError } from '../../http/errors.ts'

export type ProviderFetchOptions = Readonly<{
  /** CA certificates as PEM text, in place of the platform’s. */
  ca?: string | undefined
  /** An HTTP proxy on the way to the provider. */
  httpProxy?: string | undefined
  /** Sent with every call. What the protocol itself sends wins over them. */
  customHeaders: Readonly<Record<string, string>>
  /** For a whole call, in milliseconds. */
  timeoutMs: number
  /** Plain HTTP to other machines too. Tokens and secrets can then be read on the way. */
  allowHttp: boolean
}>

export type ProviderFetch = Readonly<{
  /** As openid-client wants it. Rejects with GatewayError provider_unavailable. */
  fetch: CustomFetch
  /** Takes other CA certificates from now on; calls under way end with the old ones. */
  replaceCa: (ca: string | undefined) => void
  close: () => Promise<void>
}>

/** No document of a provider is that long, in bytes; one that is would only fill our memory. */
const maxBody = 1024 * 1024
const maxHead = 32 * 1024
const maxConnections = 24
/** Calls that wait for the provider. More are refused at once: it would not get to them within their time. */
const maxWaiting = 256

/** HTTP to the identity provider: bounded in time, size and number, without redirects, encrypted on its way. */
export function createProviderFetch(options: ProviderFetchOptions): ProviderFetch {
  const { customHeaders, timeoutMs, allowHttp } = options
  let current = { ca: options.ca, dispatcher: createDispatcher(options) }
  let waiting = 0

  const fetch: CustomFetch = async function providerFetch(address, { method, headers, body, signal }) {
    const url = new URL(address)
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && (allowHttp || isLoopbackHost(url.hostname))))
      throw unavailable(`${url.origin} is not https, and oidc.allow_http is false`)
    if (waiting >= maxWaiting) throw unavailable(`${maxWaiting} calls wait for the provider already`)
    const limit = AbortSignal.timeout(timeoutMs)
    waiting++
    try {
      const answer = await request(url, {
        dispatcher: current.dispatcher,
        method: method as Dispatcher.HttpMethod,
        headers: { ...lowerCase(customHeaders), ...lowerCase(headers) },
        body: body instanceof URLSearchParams ? body.toString() : ((body as string | null | undefined) ?? null),
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      })
      const content = await answer.body.arrayBuffer()
      return new Response(isWithoutBody(answer.statusCode) ? null : content, {
        status: answer.statusCode,
        headers: headersOf(answer.headers),
      })
    } catch (cause) {
      throw unavailable(`${url.origin} ${reasonOf(cause, timeoutMs)}`, cause)
    } finally {
      waiting--
    }
  }

  return Object.freeze({
    fetch,
    replaceCa(ca: string | undefined) {
      if (ca === current.ca) return
      const { dispatcher: former } = current
      current = { ca, dispatcher: createDispatcher({ ...options, ca }) }
      void former.close()
    },
    close: () => current.dispatcher.destroy(),
  })
}

function createDispatcher({ ca, httpProxy, timeoutMs }: ProviderFetchOptions): Dispatcher {
  const tls = ca === undefined ? {} : { ca }
  const limits = {
    connections: maxConnections,
    pipelining: 1,
    maxResponseSize: maxBody,
    maxHeaderSize: maxHead,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  }
  if (httpProxy === undefined) return new Agent({ ...limits, connect: { ...tls, timeout: timeoutMs } })
  return new ProxyAgent({ ...limits, uri: httpProxy, requestTls: { ...tls, timeout: timeoutMs }, proxyTls: tls })
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function headersOf(given: Record<string, string | string[] | undefined>): [string, string][] {
  return Object.entries(given).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one]),
  )
}

/** Statuses with which `Response` takes no body. */
function isWithoutBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

/** Neither undici’s messages nor its objects: they may hold the request, and so a secret. */
function reasonOf(error: unknown, timeoutMs: number): string {
  const { name, code } = error as { name?: string; code?: string }
  if (name === 'TimeoutError' || code?.endsWith('_TIMEOUT')) return `did not answer within ${timeoutMs} ms`
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return `sent more than ${maxBody} bytes`
  return `cannot be reached: ${code ?? name ?? 'no reason given'}`
}

function unavailable(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('provider_unavailable', `the identity provider: ${detail}`, { cause })
}
