import { createServer as createNodeServer } from 'node:http'
import type { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { promisify } from 'node:util'
import { type ErrorCode, GatewayError } from '../http/errors.ts'
import { createRequestIds } from '../http/request-id.ts'
import { serializeResponse } from '../http/response.ts'
import { type ConnectionBudget, limitConnections } from './connection-limit.ts'
import { createHttp1Server } from './http1/server.ts'
import { defaultRequestTimeouts } from './listen/limits.ts'
import type { ListenerHandlers } from './listen/listener.ts'
import { type OpenedListener, openListener } from './listen/open.ts'
import type { TlsOptions } from './listen/tls.ts'
import type { ServerOptions } from './options.ts'
import { createRequestHandler } from './request-handler.ts'
import { isEndpointRequest } from './router.ts'

export type GatewayServer = Readonly<{
  /**
   * @returns the addresses as log lines show them. If one is unavailable, rejects with an error that also has the
   * listener's `serves` and index, and listens on none of them.
   */
  listen: () => Promise<string[]>
  /** The number of open connections on all listeners. */
  countConnections: () => Promise<number>
  /**
   * @returns a function that makes new connections use other certificates. Throws if certificate and key do not match.
   */
  prepareRenewal: (tls: TlsOptions) => () => void
  /**
   * Graceful shutdown: accepts no more connections, finishes pending requests, and destroys the remaining connections
   * after the timeout.
   */
  close: (timeoutMs: number) => Promise<void>
}>

/**
 * Creates all listeners and the state they share. Apart from address and protocol, listeners differ only in what they
 * serve (`serves`). TLS and HTTP/2 are loaded only for a listener that uses them: they take 15 ms.
 */
export async function createServer(options: ServerOptions): Promise<GatewayServer> {
  const {
    requestTimeouts = defaultRequestTimeouts,
    unixSocketMode = 0o660,
    connectionLimits,
    onUnixConnection = () => {},
    isUpgrade = () => false,
  } = options
  const nextRequestId = createRequestIds()
  let isClosing = false
  const tlsListeners = options.listeners.some(({ isTls }) => isTls) ? await import('./listen/tls.ts') : undefined
  const commonHandlers: Omit<ListenerHandlers, 'onRequest'> = {
    isUpgrade: (request) => isUpgrade(request) && !isEndpointRequest(request),
    renderInvalid,
    onTlsFailure: ({ code, message }, { remoteAddress }) => options.logTlsFailure?.(code ?? message, remoteAddress),
  }
  // Without limits, as in unit tests, every weight is accepted.
  let budget: ConnectionBudget = { setWeight: () => true }
  const listeners = options.listeners.map(({ serves = 'everything', ...config }) => {
    const onRequest = createRequestHandler({ ...options, serves, nextRequestId, isClosing: () => isClosing })
    const handlers: ListenerHandlers = { ...commonHandlers, ...(serves === 'metrics' && noUpgrades), onRequest }
    const listener = config.isTls
      ? tlsListeners!.createTlsListener({
          handlers,
          timeouts: requestTimeouts,
          tls: options.tls!,
          setWeight: (socket, weight, maxShare) => budget.setWeight(socket, weight, maxShare),
        })
      : createHttp1Server(handlers, requestTimeouts, createNodeServer)
    if (config.kind === 'unix') listener.server.on(config.isTls ? 'secureConnection' : 'connection', onUnixConnection)
    return { config, serves, ...listener }
  })
  if (connectionLimits !== undefined) {
    budget = limitConnections(
      listeners.map(({ server }) => server),
      connectionLimits,
    )
  }
  const opened: OpenedListener[] = []

  function renderInvalid(code: ErrorCode, { remoteAddress }: Socket): string {
    options.metrics?.failed(code)
    const requestId = nextRequestId()
    options.logFault(code, { address: remoteAddress, requestId })
    const { renderError } = options.handlers()
    return serializeResponse(renderError({ headers: {} }, new GatewayError(code, code), requestId))
  }

  async function listen(): Promise<string[]> {
    try {
      for (const [index, { server, config, serves }] of listeners.entries()) {
        const addPlace = (error: Error) => Promise.reject(Object.assign(error, { serves, index }))
        opened.push(await openListener(server, config, unixSocketMode).catch(addPlace))
      }
      return opened.map(({ address }) => address)
    } catch (error) {
      await close(0)
      throw error
    }
  }

  async function close(timeoutMs: number): Promise<void> {
    isClosing = true
    const closed = listeners.map((listener) => listener.close())
    const timer = setTimeout(() => {
      for (const { destroyConnections } of listeners) destroyConnections()
    }, timeoutMs)
    await Promise.all(closed)
    clearTimeout(timer)
    for (const { removeSocketFile } of opened.splice(0)) removeSocketFile()
  }

  async function countConnections(): Promise<number> {
    const counts = await Promise.all(listeners.map(({ server }) => promisify(server.getConnections.bind(server))()))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  function prepareRenewal(tls: TlsOptions): () => void {
    if (tlsListeners === undefined) return () => {}
    const context = tlsListeners.contextOptions(tls)
    createSecureContext(context)
    return () => {
      for (const listener of listeners) listener.renewCertificates?.(context)
    }
  }

  return Object.freeze({ listen, countConnections, prepareRenewal, close })
}

/** A listener for metrics opens no tunnels. */
const noUpgrades = { isUpgrade: () => false }
