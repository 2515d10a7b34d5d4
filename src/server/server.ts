import { createSecureContext } from 'node:tls'
import { promisify } from 'node:util'
import type { Serves } from '../http/handler.ts'
import { createClientErrorHandlers } from './client-errors.ts'
import { type ConnectionBudget, limitConnections } from './connection-limit.ts'
import { defaultRequestTimeouts } from './listen/limits.ts'
import type { ListenerHandlers } from './listen/listener.ts'
import { type OpenedListener, openListener } from './listen/open.ts'
import { createTcpListener } from './listen/tcp.ts'
import { contextOptions, createTlsListener, type TlsOptions } from './listen/tls.ts'
import type { ServerOptions } from './options.ts'
import { createRequestHandler } from './request-handler.ts'
import { createRequestId } from './request-id.ts'
import { createUpgradeHandler } from './upgrade-handler.ts'

export type GatewayServer = Readonly<{
  /** @returns the addresses in readable form. Rejects if one is unavailable, with what it `serves`, and then listens on none. */
  listen: () => Promise<string[]>
  /** How many are open now, on all listeners. */
  connections: () => Promise<number>
  /** @returns what takes other certificates, for connections from then on. Throws where they are no pair. */
  prepareRenewal: (tls: TlsOptions) => () => void
  /** Stops accepting, lets what is under way finish for at most `patience` milliseconds, and cuts the rest. */
  close: (patience: number) => Promise<void>
}>

/** All listeners and their shared state. Listeners differ only in what they serve (`serves`). */
export function createServer(options: ServerOptions): GatewayServer {
  const {
    requestTimeouts = defaultRequestTimeouts,
    mode = 0o660,
    connectionLimits,
    onUnixConnection = () => {},
  } = options
  const nextId = createRequestId()
  let isClosing = false
  const { onRequest, ended } = createRequestHandler(options, nextId, () => isClosing)
  const { reject, onClientError } = createClientErrorHandlers(options, nextId)
  const listenerHandlers: Omit<ListenerHandlers, 'onRequest'> = {
    isUpgrade: options.isUpgrade ?? (() => false),
    onUpgrade: createUpgradeHandler(options, nextId, ended),
    onConnect: (socket) => reject(socket, 'payload_invalid'), // elastauth is not a forward proxy
    onClientError,
    onTlsFailure: ({ code, message }, { remoteAddress }) => options.logTlsFailure?.(code ?? message, remoteAddress),
  }
  // Without limits, as in unit tests, there is room for every connection.
  let weigh: ConnectionBudget['weigh'] = () => true
  const handlersFor = (serves: Serves): ListenerHandlers => ({
    ...listenerHandlers,
    onRequest: (request, response, check, onAuthenticated) =>
      onRequest(request, response, check, serves, onAuthenticated),
  })
  const listeners = options.listeners.map(({ serves = 'everything', ...place }) => {
    const listener = place.isTls
      ? createTlsListener(handlersFor(serves), requestTimeouts, options.tls!, (...weighed) => weigh(...weighed))
      : createTcpListener(handlersFor(serves), requestTimeouts)
    if (place.kind === 'unix') listener.server.on(place.isTls ? 'secureConnection' : 'connection', onUnixConnection)
    return { place, serves, ...listener }
  })
  if (connectionLimits !== undefined) {
    weigh = limitConnections(
      listeners.map(({ server }) => server),
      connectionLimits,
    ).weigh
  }
  const opened: OpenedListener[] = []

  async function listen(): Promise<string[]> {
    try {
      for (const { server, place, serves } of listeners) {
        const naming = (error: Error) => Promise.reject(Object.assign(error, { serves }))
        opened.push(await openListener(server, place, mode).catch(naming))
      }
      return opened.map(({ address }) => address)
    } catch (error) {
      await close(0)
      throw error
    }
  }

  async function close(patience: number): Promise<void> {
    isClosing = true
    const closed = listeners.map(({ server }) => new Promise<void>((resolve) => server.close(() => resolve())))
    for (const { closeIdle } of listeners) closeIdle()
    const timer = setTimeout(() => {
      for (const { cut } of listeners) cut()
    }, patience)
    await Promise.all(closed)
    clearTimeout(timer)
    for (const { remove } of opened.splice(0)) remove()
  }

  async function connections(): Promise<number> {
    const counts = await Promise.all(listeners.map(({ server }) => promisify(server.getConnections.bind(server))()))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  function prepareRenewal(tls: TlsOptions): () => void {
    const context = contextOptions(tls)
    createSecureContext(context)
    return () => {
      for (const listener of listeners) listener.renew?.(context)
    }
  }

  return Object.freeze({ listen, connections, prepareRenewal, close })
}
