import type { IncomingMessage } from 'node:http'
import type { Soon } from '../async/maybe-promise.ts'
import type { Answer, StreamedAnswer } from './response.ts'

/** Request → answer. Throws, or rejects with, GatewayError. */
export type Handler = (request: IncomingMessage) => Soon<Answer>

/** What answers all that is not for a page of ours: forward auth, or the proxy. Throws, or rejects with, GatewayError. */
export type Mode = (request: IncomingMessage) => Soon<Answer | StreamedAnswer>

/** Our own pages, by the exact path under which each is found. */
export type Pages = ReadonlyMap<string, Page>

export type Page = Readonly<{ methods: readonly string[]; handle: Handler }>

/** What a listener serves; `everything` means both. */
export type Serves = 'everything' | 'pages' | 'sub-requests'

/** What every page may be asked by, unless it says otherwise. */
export const readMethods: readonly string[] = ['GET', 'HEAD']
