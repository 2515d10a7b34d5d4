export type Kind = 'external' | 'docker' | 'java'
export type FoundNode = { kind: Kind; describe: string } | { kind: 'none'; reasons: string[] }

export type Options = {
  /** Only this way, instead of the first that works. */
  kind?: Kind
  /** Never the one that `ELASTICSEARCH_URL` names: for tests that restart it, pause it, or fill it. */
  own?: boolean
  port?: number
  tls?: boolean
  /** Kept at the end; by default a temporary directory, which is not. */
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
  /** Ends the node; temporary data goes too, unless it is to be kept for `start`. Does nothing to an external one. */
  stop(options?: { keepData?: boolean }): Promise<void>
  /** After `stop`: the same port again, and the same data if that was kept. */
  start(): Promise<void>
  /** Freezes the node: connections stay open, nothing is answered. */
  pause(): Promise<void>
  resume(): Promise<void>
}
