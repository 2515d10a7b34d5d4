import { Cluster, Redis, type RedisOptions } from 'ioredis'

type Options = Omit<RedisOptions, 'replyMapping'>

export type Address = Readonly<{ host: string; port: number }>

/** PEM texts. */
export type RedisTls = Readonly<Record<'ca' | 'cert' | 'key', string | undefined>>

export type RedisConnection = Readonly<{
  servers:
    | Readonly<{ kind: 'one'; address: Address }>
    | Readonly<{ kind: 'sentinels'; addresses: readonly Address[]; master: string; password?: string | undefined }>
    | Readonly<{ kind: 'cluster'; addresses: readonly Address[] }>
  db: number
  username?: string | undefined
  password?: string | undefined
  /** Looked at anew for each connection that is made; absent for connections without TLS. */
  tls?: RedisTls | undefined
  /** For one call, in milliseconds. */
  timeout: number
}>

export type Commands = Redis | Cluster

/** The longest wait between two attempts to connect, in milliseconds. */
const longestWait = 2000
/** How long a connection may take until it can be used, in milliseconds. */
const connectTimeout = 5000

/** For commands. Connects by itself, again and again; while there is no connection, commands fail at once. */
export function connectForCommands(connection: RedisConnection): Commands {
  const { servers, timeout } = connection
  const options: Options = {
    ...commonOptions(connection),
    retryStrategy: backOff,
    // Nothing waits for a connection, and nothing is sent twice: what is late is of no use.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    socketTimeout: 2 * timeout,
    // A master that has become a replica: the next connection finds the new one.
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
  }
  if (servers.kind === 'cluster') return connectToCluster(servers.addresses, options)
  const redis = servers.kind === 'one' ? new Redis({ ...options, ...servers.address }) : new Redis(options)
  return redis.on('error', () => {}) // every call hears of it
}

/**
 * For messages: one attempt, on the node that `attempt` picks. Never connects again by itself, so that whoever listens
 * knows of every gap. In a cluster every node hears every message.
 */
export function connectForMessages(connection: RedisConnection, attempt: number): Redis {
  const { servers } = connection
  const options: Options = { ...commonOptions(connection), retryStrategy: null, lazyConnect: true }
  if (servers.kind === 'sentinels') return new Redis(options).on('error', () => {})
  const address = servers.kind === 'one' ? servers.address : servers.addresses[attempt % servers.addresses.length]!
  return new Redis({ ...options, ...address }).on('error', () => {})
}

function connectToCluster(addresses: readonly Address[], options: Options): Cluster {
  const { retryStrategy: _, enableOfflineQueue: __, ...redisOptions } = options
  const cluster = new Cluster([...addresses], {
    redisOptions,
    enableOfflineQueue: false,
    clusterRetryStrategy: backOff,
    clusterNodeRetryStrategy: backOff,
    maxRedirections: 3,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: connectTimeout,
  })
  return cluster.on('error', () => {})
}

function commonOptions({ servers, db, username, password, tls }: RedisConnection): Options {
  const isCluster = servers.kind === 'cluster' // which has one database only
  return {
    ...(!isCluster && { db }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls }), // this very object: ioredis looks at it for each connection
    ...(servers.kind === 'sentinels' && {
      sentinels: [...servers.addresses],
      name: servers.master,
      sentinelRetryStrategy: backOff,
      ...(servers.password !== undefined && { sentinelPassword: servers.password }),
      ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    }),
    connectTimeout,
    connectionName: 'elastauth',
    disableClientInfo: true, // saves a call, and a privilege
  }
}

function backOff(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt, 10), longestWait)
}
