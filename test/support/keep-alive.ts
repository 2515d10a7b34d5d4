/**
 * For servers of tests. By default, Node closes a connection that is idle for six seconds: after a pause of the machine just when a client
 * uses it again.
 */
export const keepAlive = { keepAliveTimeout: 60_000 } as const
