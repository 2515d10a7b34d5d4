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
  /** For one call with all its retries, in milliseconds. */
  timeout: number
}>

/**
 * The official client, one keep-alive pool over all hosts. Version 8 of it on purpose: it asks for `compatible-with=8`,
 * which servers of 8.x and 9.x grant (REST API compatibility), while version 9's `compatible-with=9` is a 400 on 8.x.
 */
export function createElasticsearchClient(options: ElasticsearchOptions): Client {
  return new Client({
    nodes: [...options.hosts],
    auth: authOf(options),
    tls: tlsOf(options),
    requestTimeout: options.timeout,
    // Every call of ours may be repeated: reads, and writes that say the same each time. One try for each other host.
    maxRetries: Math.max(1, options.hosts.length - 1),
    resurrectStrategy: 'optimistic',
    agent: connectionLimits,
    Connection: BoundedConnection,
    enableMetaHeader: false,
    Transport: PromptTransport,
    name: 'elastauth',
  })
}

/** The client in use, which a reload may replace: its certificates are read once. */
export type Elasticsearch = Readonly<{
  client: () => Client
  /** Takes new options when they differ; calls under way end with the old ones. */
  renew: (options: ElasticsearchOptions) => void
  /** Waits for calls under way. */
  close: () => Promise<void>
}>

export function createElasticsearch(first: ElasticsearchOptions): Elasticsearch {
  let current = { options: JSON.stringify(first), client: createElasticsearchClient(first) }
  return Object.freeze({
    client: () => current.client,
    renew(next: ElasticsearchOptions) {
      const options = JSON.stringify(next)
      if (options === current.options) return
      const { client: former } = current
      current = { options, client: createElasticsearchClient(next) }
      void former.close()
    },
    close: () => current.client.close(),
  })
}

/** Tries the next host at once, since a user's request waits for the response, and sets the deadline of each call. */
class PromptTransport extends SniffingTransport {
  readonly #timeoutMs: number

  constructor(options: ConstructorParameters<typeof SniffingTransport>[0]) {
    super({ ...options, retryBackoff: () => 0, retryOnTimeout: options.connectionPool.size > 1 })
    this.#timeoutMs = Number(options.requestTimeout)
  }

  // biome-ignore lint/suspicious/noExplicitAny: the official client's overloads
  override request(params: Request[0], options: Request[1] = {}): Promise<any> {
    const budget: CallBudget = {
      leftMs: this.#timeoutMs,
      waitLeftMs: 2 * this.#timeoutMs,
      retries: this.connectionPool.size - 1,
    }
    return super.request(params, { ...options, context: budget })
  }
}

type Request = Parameters<SniffingTransport['request']>

function authOf({ username, password, apiKey }: ElasticsearchOptions): NonNullable<ClientOptions['auth']> {
  return apiKey ? { apiKey } : { username: username ?? '', password: password ?? '' }
}

function tlsOf({ ca, cert, key, insecureSkipVerify }: ElasticsearchOptions): NonNullable<ClientOptions['tls']> {
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }), rejectUnauthorized: !insecureSkipVerify }
}
