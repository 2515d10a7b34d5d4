import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { backOffMs } from '../async/back-off.ts'

type Options = Omit<RedisOptions, 'replyMapping'>

export type Address = Readonly<{ host: string; port: number }>

/** PEM texts. */
export type RedisTls = Readonly<Record<'ca' | 'cert' | 'key', string | undefined>>

export type RedisConnection = Readonly<{
  servers:
    | Readonly<{ kind: 'standalone'; address: Address }>
    | Readonly<{ kind: 'sentinels'; addresses: readonly Address[]; master: string; password?: string | undefined }>
    | Readonly<{ kind: 'cluster'; addresses: readonly Address[] }>
  db: number
  username?: string | undefined
  password?: string | undefined
  /** Read for each new connection; undefined for connections without TLS. */
  tls?: RedisTls | undefined
  /** The time limit for each call. */
  timeoutMs: number
}>

export type Commands = Redis | Cluster

const reconnectBackOff = { firstMs: 50, maxMs: 2000 }
/** The time limit for establishing a connection. */
const connectTimeoutMs = 5000

/** Opens the connection for commands. It reconnects by itself; while disconnected, commands fail immediately. */
export function connectForCommands(connection: RedisConnection): Commands {
  const { servers, timeoutMs } = connection
  const options: Options = {
    ...commonOptions(connection),
    retryStrategy: reconnectDelayMs,
    // Commands are neither queued nor resent, so that a request never waits longer than the timeout of a call.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    socketTimeout: 2 * timeoutMs,
    // READONLY means that a failover has made the server a replica. A new connection finds the new master.
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
  }
  if (servers.kind === 'cluster') return connectToCluster(servers.addresses, options)
  const redis = servers.kind === 'standalone' ? new Redis({ ...options, ...servers.address }) : new Redis(options)
  return redis.on('error', () => {}) // the calls fail with it
}

/**
 * Creates a connection for messages to the node that `attempt` selects; in a cluster, every node receives every message. The
 * connection never reconnects by itself, so that the subscriber notices every gap.
 */
export function connectForMessages(connection: RedisConnection, attempt: number): Redis {
  const { servers } = connection
  const options: Options = { ...commonOptions(connection), retryStrategy: null, lazyConnect: true }
  if (servers.kind === 'sentinels') return new Redis(options).on('error', () => {})
  const address =
    servers.kind === 'standalone' ? servers.address : servers.addresses[attempt % servers.addresses.length]!
  return new Redis({ ...options, ...address }).on('error', () => {})
}

/** @param failures as ioredis counts them: 1 for the first */
export function reconnectDelayMs(failures: number): number {
  return backOffMs(failures, reconnectBackOff)
}

function connectToCluster(addresses: readonly Address[], options: Options): Cluster {
  const { retryStrategy: _, enableOfflineQueue: __, ...redisOptions } = options
  const cluster = new Cluster([...addresses], {
    redisOptions,
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnectDelayMs,
    clusterNodeRetryStrategy: reconnectDelayMs,
    maxRedirections: 3,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: connectTimeoutMs,
  })
  return cluster.on('error', () => {})
}

function commonOptions({ servers, db, username, password, tls }: RedisConnection): Options {
  const isCluster = servers.kind === 'cluster' // has database 0 only
  return {
    ...(!isCluster && { db }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls }), // the same object, not a copy: ioredis reads it for each connection, so a reload can change it
    ...(servers.kind === 'sentinels' && {
      sentinels: [...servers.addresses],
      name: servers.master,
      sentinelRetryStrategy: reconnectDelayMs,
      ...(servers.password !== undefined && { sentinelPassword: servers.password }),
      ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    }),
    connectTimeout: connectTimeoutMs,
    connectionName: 'elastauth',
    disableClientInfo: true, // saves a call that needs a privilege of its own
  }
}
