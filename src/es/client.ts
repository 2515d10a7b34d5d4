import { createSecureContext } from 'node:tls'
import { Client, type ClientOptions, SniffingTransport } from '@elastic/elasticsearch'
import { BoundedConnection, type CallBudget, connectionLimits } from './connection.ts'

export type ElasticsearchOptions = Readonly<{
  hosts: readonly string[]
  username?: string | undefined
  password?: string | undefined
  apiKey?: string | undefined
  /** PEM texts. */
  ca?: string | undefined
  cert?: string | undefined
  key?: string | undefined
  insecureSkipVerify: boolean
  /** The time limit for one call including all retries. */
  timeoutMs: number
}>

/** What elastauth uses of the official client; scripts/build.ts leaves out the other APIs. */
export type ElasticsearchClient = Pick<Client, 'security' | 'transport' | 'close'>

/**
 * Creates the official client with one keep-alive pool per host. Version 8 of the client sends `compatible-with=8`, which
 * servers of 8.x and 9.x accept (REST API compatibility); version 9 sends `compatible-with=9`, which 8.x rejects with 400.
 */
export function createElasticsearchClient(options: ElasticsearchOptions): ElasticsearchClient {
  return new Client({
    nodes: [...options.hosts],
    auth: authOf(options),
    tls: tlsOf(options),
    requestTimeout: options.timeoutMs,
    // All calls are idempotent, so they are retried once on each other host, or once on a single host.
    maxRetries: Math.max(1, options.hosts.length - 1),
    resurrectStrategy: 'optimistic',
    agent: connectionLimits,
    Connection: BoundedConnection,
    enableMetaHeader: false,
    Transport: PromptTransport,
    name: 'elastauth',
  })
}

/** Holds the current client. A reload replaces the client, which reads its certificates only once. */
export type Elasticsearch = Readonly<{
  client: () => ElasticsearchClient
  /**
   * Throws OpenSSL's error if it cannot use a certificate. @returns a function that replaces the client if the options
   * differ; calls in flight and calls that wait for a connection finish on the former client
   */
  prepareRenewal: (options: ElasticsearchOptions) => () => void
  /** Waits for calls in flight. */
  close: () => Promise<void>
}>

export function createElasticsearch(initial: ElasticsearchOptions): Elasticsearch {
  let current = { options: JSON.stringify(initial), client: createElasticsearchClient(initial) }
  return Object.freeze({
    client: () => current.client,
    prepareRenewal(next: ElasticsearchOptions) {
      const options = JSON.stringify(next)
      if (options === current.options) return () => {}
      createSecureContext(tlsOf(next)) // the client itself would fail only with its first connection
      const renewed = { options, client: createElasticsearchClient(next) }
      return () => {
        const { client: former } = current
        current = renewed
        void closeWhenIdle(former)
      }
    },
    close: () => current.client.close(),
  })
}

/** `close` alone would fail the calls that wait for a connection, and the retries of those that have one. */
async function closeWhenIdle(client: ElasticsearchClient): Promise<void> {
  await (client.transport as PromptTransport).whenIdle()
  await client.close()
}

/**
 * Sets the time budget of each call, and retries on the next host without a delay because a user's request is waiting. Counts the
 * calls, because the official client does not know those that wait in `BoundedConnection`.
 */
class PromptTransport extends SniffingTransport {
  readonly #timeoutMs: number
  #calls = 0
  #onIdle = () => {}

  constructor(options: ConstructorParameters<typeof SniffingTransport>[0]) {
    super({ ...options, retryBackoff: () => 0, retryOnTimeout: options.connectionPool.size > 1 })
    this.#timeoutMs = Number(options.requestTimeout)
  }

  // biome-ignore lint/suspicious/noExplicitAny: the official client's overloads
  override async request(params: Request[0], options: Request[1] = {}): Promise<any> {
    const budget: CallBudget = {
      leftMs: this.#timeoutMs,
      waitLeftMs: 2 * this.#timeoutMs,
      retries: this.connectionPool.size - 1,
    }
    this.#calls++
    try {
      return await super.request(params, { ...options, context: budget })
    } finally {
      this.#calls--
      if (this.#calls === 0) this.#onIdle()
    }
  }

  /** Resolves when all calls have ended, including their retries. */
  async whenIdle(): Promise<void> {
    if (this.#calls === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onIdle = resolve
    await promise
  }
}

type Request = Parameters<SniffingTransport['request']>

function authOf({ username, password, apiKey }: ElasticsearchOptions): NonNullable<ClientOptions['auth']> {
  return apiKey ? { apiKey } : { username: username ?? '', password: password ?? '' }
}

function tlsOf({ ca, cert, key, insecureSkipVerify }: ElasticsearchOptions): NonNullable<ClientOptions['tls']> {
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }), rejectUnauthorized: !insecureSkipVerify }
}
