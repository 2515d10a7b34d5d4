import type { IncomingMessage } from 'node:http'
import type { MaybePromise } from '../async/maybe-promise.ts'
import type { GatewayResponse, StreamedResponse } from './response.ts'

/** Request → answer. Throws, or rejects with, GatewayError. */
export type Handler = (request: IncomingMessage) => MaybePromise<GatewayResponse>

/** What answers all that is not for a page of ours: forward auth, or the proxy. Throws, or rejects with, GatewayError. */
export type ModeHandler = (request: IncomingMessage) => MaybePromise<GatewayResponse | StreamedResponse>

/** Our own pages, by the exact path under which each is found. */
export type Endpoints = ReadonlyMap<string, Endpoint>

export type Endpoint = Readonly<{ methods: readonly string[]; handle: Handler }>

/** What a listener serves; `everything` means both. */
export type Serves = 'everything' | 'endpoints' | 'sub-requests'

/** What every page may be asked by, unless it says otherwise. */
export const readMethods: readonly string[] = ['GET', 'HEAD']
