/** Options of `http.createServer`; times in milliseconds. */
export const http1Limits = {
  /**
   * All headers of a request together, in bytes. Enough for what proxies forward, including the cookies of many
   * services.
   */
  maxHeaderSize: 64 * 1024,
  /**
   * Longer than the idle timeout of proxies' connection pools (Traefik 90 s, Caddy 120 s): if they close first, no
   * request is sent on a closing connection.
   */
  keepAliveTimeout: 125_000,
  headersTimeout: 20_000,
} as const

/** Maximum number of pending requests on one HTTP/1.1 connection. The connection closes after the last of them. */
export const maxPendingRequests = 32

/**
 * Maximum size of all pending requests together (headers and received bodies), in bytes. The request that exceeds it is
 * the last.
 */
export const maxPendingBytes = 32 * 1024

/**
 * The default of Node for a request to arrive, also used for the rest of a body after the response. In milliseconds.
 */
export const defaultRequestTimeouts = { requestMs: 300_000, drainMs: 300_000 } as const

/**
 * Limits of an HTTP/2 connection before and after it has authenticated a user; a browser with Kibana needs the latter.
 * `maxHeldBytes` limits the header lists of all open streams together, if there are several.
 */
export const unauthenticatedLimits = { maxConcurrentStreams: 8, maxHeldBytes: 64 * 1024 } as const
export const authenticatedLimits = { maxConcurrentStreams: 100, maxHeldBytes: 512 * 1024 } as const

/**
 * The number of HTTP/1.1 connections that an HTTP/2 connection counts as. Measured: up to 0.5 MB before
 * authentication, 4.5 MB after.
 */
export const http2Weight = { unauthenticated: 2, authenticated: 16 } as const

/**
 * The part of all room that authenticated HTTP/2 connections may use with their weight; the rest is reserved for new
 * connections.
 */
export const authenticatedShare = 1 / 2

/** How long an idle HTTP/2 connection keeps the limits of an authenticated one, in milliseconds. */
export const idleBeforeLoweringMs = 5000

/** Options of `http2.performServerHandshake`. Exceeding one closes the stream or the connection. */
export const http2Limits = {
  settings: {
    maxConcurrentStreams: unauthenticatedLimits.maxConcurrentStreams,
    /**
     * Twice the accepted size, so that a stream exists on which 431 can be sent (RFC 9113, section 6.5.2, adds 32 bytes
     * for each header).
     */
    maxHeaderListSize: 2 * http1Limits.maxHeaderSize,
  },
  /** Twice the accepted number, so that a stream exists on which 431 can be sent. */
  maxHeaderListPairs: 1000,
  /**
   * Streams that the client resets: a burst, then a rate per second (rapid reset, CVE-2023-44487). A browser resets
   * streams when a page is left.
   */
  streamResetBurst: 300,
  streamResetRate: 30,
  /**
   * Before a client receives the stream limit, it may open any number of streams, usually a hundred. nghttp2 also
   * counts each rejected one as an invalid frame.
   */
  maxSessionInvalidFrames: 200,
  maxSessionRejectedStreams: 200,
  /** Repeated headers of an upstream are forwarded, as in HTTP/1.1. */
  strictSingleValueFields: false,
} as const

/** PING and SETTINGS frames of a client in `controlFrameWindowMs`: each has to be acknowledged. */
export const maxControlFrames = 1000
export const controlFrameWindowMs = 10_000

/** How long a client may take to read the last response before its connection is destroyed, in milliseconds. */
export const lingerTimeoutMs = 1000

/** How long a client may take to read a chunk of a response (at most 64 KiB), in milliseconds. */
export const stallTimeoutMs = 120_000
