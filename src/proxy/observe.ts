import type { ServerResponse } from 'node:http'
import type { RequestContext } from '../http/request-context.ts'
import type { OwnCredential } from '../http/response.ts'

/** A request that is about to be forwarded. */
export type ObservedExchange = Readonly<{
  context: RequestContext
  response: ServerResponse
  /** The path and the query for the upstream. */
  path: string
  username: string | undefined
  credential: OwnCredential | undefined
}>

/** Sees the bodies of an exchange as they pass, and its end. Must not throw. */
export type ExchangeObserver = Readonly<{
  onRequestData: (chunk: Buffer) => void
  onResponseData: (chunk: Buffer) => void
  /** @param error the reason why the exchange failed; undefined if the response was sent */
  onEnd: (error?: unknown) => void
}>

export type Observe = (exchange: ObservedExchange) => ExchangeObserver

/** Tells an observer the end of an exchange. */
export async function runObserved(
  observer: ExchangeObserver,
  forward: (observer: ExchangeObserver) => Promise<void>,
): Promise<void> {
  try {
    await forward(observer)
  } catch (error) {
    observer.onEnd(error)
    throw error
  }
  observer.onEnd()
}
