/** As `http.createServer` takes them; times in milliseconds. */
export const http1Limits = {
  /** All headers of a request together, in bytes: what proxies send at the most, cookies of many services included. */
  maxHeaderSize: 64 * 1024,
  /** Longer than the idle time of the callers' connection pools (Traefik 90 s, Caddy 120 s): they close first, so no request meets a closing connection. */
  keepAliveTimeout: 125_000,
  headersTimeout: 20_000,
} as const

/** How long a whole request may take to arrive, in milliseconds: Node's own limit. */
export const usualRequestTimeout = 300_000
