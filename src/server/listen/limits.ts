/** Options of `http.createServer`; times in milliseconds. */
export const http1Limits = {
  /** Maximum size of all headers of a request together, in bytes. Proxies may forward the cookies of many services. */
  maxHeaderSize: 64 * 1024,
  /**
   * Longer than the idle timeouts of proxies' connection pools (Traefik 90 s, Caddy 120 s). The proxy then closes an
   * idle connection first, and never sends a request on a connection that elastauth is closing.
   */
  keepAliveTimeout: 125_000,
  headersTimeout: 20_000,
} as const

/** Maximum number of headers of a request. Node silently drops those beyond its own limit, which is higher. */
export const maxHeaderCount = 500

/** Maximum number of pending requests on one HTTP/1.1 connection. The connection closes after the last of them. */
export const maxPendingRequests = 32

/**
 * Maximum size of all pending requests on one HTTP/1.1 connection (headers and received bodies), in bytes. The
 * connection closes after the request that exceeds it.
 */
export const maxPendingBytes = 32 * 1024

/**
 * Node's default time for a request to arrive, in milliseconds. It also limits reading the rest of a body after the
 * response.
 */
export const defaultRequestTimeouts = { requestMs: 300_000, drainMs: 300_000 } as const

/**
 * Limits of an HTTP/2 connection before it has authenticated a user; `authenticatedLimits` apply afterwards, because a
 * browser with Kibana needs more. `maxHeldBytes` limits the total size of the header lists of all open streams; a
 * single stream may exceed it.
 */
export const unauthenticatedLimits = { maxConcurrentStreams: 8, maxHeldBytes: 64 * 1024 } as const
export const authenticatedLimits = { maxConcurrentStreams: 100, maxHeldBytes: 512 * 1024 } as const

/**
 * The number of HTTP/1.1 connections that an HTTP/2 connection counts as. It was measured to occupy up to 0.5 MB before
 * authentication, and 4.5 MB after.
 */
export const http2Weight = { unauthenticated: 2, authenticated: 16 } as const

/**
 * An HTTP/2 connection gets the authenticated weight only while all connections use at most this part of `maxWeight`.
 * The rest is reserved for new connections.
 */
export const authenticatedShare = 1 / 2

/** How long an idle HTTP/2 connection keeps the limits of an authenticated one, in milliseconds. */
export const idleBeforeLoweringMs = 5000

/** Options of `http2.performServerHandshake`. Exceeding one closes the stream or the connection. */
export const http2Limits = {
  settings: {
    maxConcurrentStreams: unauthenticatedLimits.maxConcurrentStreams,
    /**
     * Twice the size that elastauth accepts: nghttp2 still creates a stream for a somewhat larger header list, on which
     * elastauth can send 431. RFC 9113, section 6.5.2, adds 32 bytes for each header.
     */
    maxHeaderListSize: 2 * http1Limits.maxHeaderSize,
  },
  /** Twice the number of headers that elastauth accepts, so that it can send 431 as for `maxHeaderListSize`. */
  maxHeaderListPairs: 1000,
  /**
   * How many streams a client may reset at once, and then per second (rapid reset, CVE-2023-44487). It is not lower
   * because a browser resets the open streams when the user leaves a page.
   */
  streamResetBurst: 300,
  streamResetRate: 30,
  /**
   * Twice the hundred streams that a client usually opens before it receives the stream limit: nghttp2 rejects those
   * beyond the limit and counts each as an invalid frame.
   */
  maxSessionInvalidFrames: 200,
  maxSessionRejectedStreams: 200,
  /**
   * With `true`, Node would reject repeated headers of an upstream's response. elastauth forwards them, as in HTTP/1.1.
   */
  strictSingleValueFields: false,
} as const

/**
 * Maximum number of PING and SETTINGS frames from a client in `controlFrameWindowMs`, since each has to be
 * acknowledged.
 */
export const maxControlFrames = 1000
export const controlFrameWindowMs = 10_000

/** How long a client may take to read the last response before its connection is destroyed, in milliseconds. */
export const lingerTimeoutMs = 1000

/** How long a client may take to read a chunk of a response (at most 64 KiB), in milliseconds. */
export const stallTimeoutMs = 120_000
