import { Client, type ClientOptions, SniffingTransport } from '@elastic/elasticsearch'

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
  /** For one call to one host, in milliseconds. */
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
    // In a crowd of new users the requests wait here and not in Elasticsearch's queues. Writing a user costs it 6 ms,
    // or 90 ms of bcrypt where it hashes the password itself (elasticsearch.password_hashing: server).
    agent: { connections: 16 },
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

/** Tries the next host at once: a request of a user's waits for the answer. */
class PromptTransport extends SniffingTransport {
  constructor(options: ConstructorParameters<typeof SniffingTransport>[0]) {
    super({ ...options, retryBackoff: () => 0, retryOnTimeout: options.connectionPool.size > 1 })
  }
}

function authOf({ username, password, apiKey }: ElasticsearchOptions): NonNullable<ClientOptions['auth']> {
  return apiKey ? { apiKey } : { username: username ?? '', password: password ?? '' }
}

function tlsOf({ ca, cert, key, insecureSkipVerify }: ElasticsearchOptions): NonNullable<ClientOptions['tls']> {
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }), rejectUnauthorized: !insecureSkipVerify }
}
