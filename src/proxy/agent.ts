import { buildConnector, Pool } from 'undici'

/** PEM texts; how to prove ourselves to upstreams, and how they prove themselves to us. */
export type UpstreamTls = Readonly<{
  ca?: string | undefined
  cert?: string | undefined
  key?: string | undefined
  insecureSkipVerify: boolean
}>

export type AgentOptions = Readonly<{
  /** For a connection, for an answer's head, and between two pieces of it, in milliseconds. */
  timeout: number
  /** How long an idle connection is kept, in milliseconds. An upstream's `Keep-Alive` may shorten it. */
  idleTimeout: number
  tls: UpstreamTls
}>

/** A host that is up answers its SYN at once; to wait longer only keeps from trying the next one. In milliseconds. */
const longestConnect = 10_000

/** All headers of an answer together, in bytes. */
const maxHeaderSize = 64 * 1024

/** Connections to one upstream: as many as there are requests at once, one request on each at a time. */
export function createPool(url: URL, { timeout, idleTimeout, tls }: AgentOptions): Pool {
  const connect = buildConnector({ ...tlsOptions(tls), allowH2: false, timeout: Math.min(timeout, longestConnect) })
  return new Pool(url.origin, {
    // undici would take the name to verify from the request's Host, which is the client's to choose.
    connect: ({ servername: _, ...options }, callback) => connect(options, callback),
    pipelining: 1,
    keepAliveTimeout: idleTimeout,
    keepAliveMaxTimeout: idleTimeout,
    headersTimeout: timeout,
    bodyTimeout: timeout,
    maxHeaderSize,
  })
}

/** As `tls.connect` takes them. */
export function tlsOptions({ ca, cert, key, insecureSkipVerify }: UpstreamTls) {
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }), rejectUnauthorized: !insecureSkipVerify }
}
