/** As `http.createServer` takes them; times in milliseconds. */
export const http1Limits = {
  /** All headers of a request together, in bytes: what proxies send at the most, cookies of many services included. */
  maxHeaderSize: 64 * 1024,
  /** Longer than the idle time of the callers' connection pools (Traefik 90 s, Caddy 120 s): they close first, so no request meets a closing connection. */
  keepAliveTimeout: 125_000,
  headersTimeout: 20_000,
} as const

/** Maximum of pending requests on one HTTP/1.1 connection. The connection closes after the last of them. */
export const maxPendingRequests = 32

/** Maximum size of all pending requests together (headers and received bodies), in bytes. The request that exceeds it is the last. */
export const maxPendingBytes = 32 * 1024

/** How long a request may take to arrive, in milliseconds: Node's own limit. */
export const defaultRequestTimeouts = { requestMs: 300_000, drainMs: 300_000 } as const

/**
 * Limits of an HTTP/2 connection before and after it has authenticated a user; the latter are what a browser with Kibana needs.
 * `maxHeldBytes` limits the header lists of all open streams together, if there are several.
 */
export const unauthenticatedLimits = { maxConcurrentStreams: 8, maxHeldBytes: 64 * 1024 } as const
export const authenticatedLimits = { maxConcurrentStreams: 100, maxHeldBytes: 512 * 1024 } as const

/** How many HTTP/1.1 connections an HTTP/2 connection counts as. Measured: it can occupy 0.5 and 4.5 MB. */
export const http2Weight = { unknown: 2, known: 16 } as const

/** The part of all room that connections of known clients may take with their weight: the rest stays for new connections. */
export const authenticatedShare = 1 / 2

/** How long an HTTP/2 connection without a stream keeps the limits of a known client. */
export const idleBeforeLowerMs = 5000

/** As `http2.performServerHandshake` takes them. What is beyond them ends the stream, or the connection. */
export const http2Limits = {
  settings: {
    maxConcurrentStreams: unauthenticatedLimits.maxConcurrentStreams,
    /** Twice what we take, so that there is a stream to say 431 on (RFC 9113, 6.5.2, counts 32 bytes more for each header). */
    maxHeaderListSize: 2 * http1Limits.maxHeaderSize,
  },
  /** As for the size: twice what we take. */
  maxHeaderListPairs: 1000,
  /** Streams that are reset before they are over: so many at once, then so many a second (CVE-2023-44487). A browser does that to the page it leaves. */
  streamResetBurst: 300,
  streamResetRate: 30,
  /** Before it receives our limit, a client may open any number of streams, usually a hundred. nghttp2 counts each one as an invalid frame, too. */
  maxSessionInvalidFrames: 200,
  maxSessionRejectedStreams: 200,
  /** An upstream's doubled header is passed on as in HTTP/1.1. */
  strictSingleValueFields: false,
} as const

/** PING and SETTINGS of a client, in ten seconds: each has to be answered. */
export const maxControlFrames = 1000

/** How long a client may take to read why its connection ends, in milliseconds. */
export const lingerTimeoutMs = 1000

/** How long a client may take to make room for a piece of an answer (64 KiB at most), in milliseconds. */
export const stallTimeoutMs = 120_000
