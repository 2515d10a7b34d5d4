export type Kind = 'external' | 'docker' | 'java'
export type FoundNode = { kind: Kind; describe: string } | { kind: 'none'; reasons: string[] }

export type Options = {
  /** Only this way, instead of the first available one. */
  kind?: Kind
  /** Not the node of `ELASTICSEARCH_URL`: for tests that restart, pause or fill the node. */
  own?: boolean
  port?: number
  tls?: boolean
  /** Kept when the node ends; by default a temporary directory, which is removed. */
  dataDir?: string
  /** Of the user `elastic`; `changeme` by default. */
  password?: string
  /** Elasticsearch settings by their full names. */
  settings?: Record<string, string>
}

export type Elasticsearch = {
  readonly url: string
  readonly username: string
  readonly password: string
  /** PEM, with `tls`. */
  readonly caCert?: string
  readonly version: string
  readonly kind: Kind
  /** The node's process, for `java`. */
  readonly pid: number | undefined
  /** Stops the node, and removes temporary data unless `start` needs it. Does not stop an external node. */
  stop(options?: { keepData?: boolean }): Promise<void>
  /** After `stop`: starts the node on the same port, with the same data if that was kept. */
  start(): Promise<void>
  /** Suspends the node: connections stay open without a response. */
  pause(): Promise<void>
  resume(): Promise<void>
}
