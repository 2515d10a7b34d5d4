import { setTimeout as sleep } from 'node:timers/promises'
import { type RedisServer, type ServerOptions, startRedis } from './server.ts'

export type SentinelSet = Readonly<{
  master: RedisServer
  replica: RedisServer
  sentinels: readonly RedisServer[]
  name: string
  /** Makes the replica the master. Resolves when the Sentinels report it. */
  failOver: () => Promise<void>
  stop: () => Promise<void>
}>

/**
 * Starts a master, a replica, and three Sentinels, which fail over only when the test requests it, not when a busy machine delays
 * the master. `tls` also encrypts the connections between them.
 */
export async function startSentinelSet({ config = [], ...options }: ServerOptions = {}): Promise<SentinelSet> {
  const name = 'elastauth-test'
  const master = await startRedis({ ...options, config })
  const replica = await startRedis({ ...options, config: [...config, `replicaof 127.0.0.1 ${master.port}`] })
  while (!/master_link_status:up/.test(await replica.client.info('replication'))) await sleep(20)
  const sentinelConfig = [
    `sentinel monitor ${name} 127.0.0.1 ${master.port} 2`,
    `sentinel down-after-milliseconds ${name} 600000`,
    `sentinel failover-timeout ${name} 3000`,
  ]
  const sentinels = await Promise.all(
    [0, 1, 2].map(() => startRedis({ ...options, config: sentinelConfig, sentinel: true })),
  )
  for (const { client } of sentinels) {
    const knowsAll = async () => {
      const info = await client.info('sentinel')
      return /slaves=1,sentinels=3/.test(info)
    }
    while (!(await knowsAll())) await sleep(50)
  }
  return Object.freeze({
    master,
    replica,
    sentinels,
    name,
    async failOver() {
      const { client } = sentinels[0]!
      for (;;) {
        const [, port] = (await client.call('sentinel', 'get-master-addr-by-name', name)) as string[]
        if (Number(port) === replica.port && /role:master/.test(await replica.client.info('replication'))) return
        await client.call('sentinel', 'failover', name).catch(() => {}) // an earlier one is in progress
        await sleep(50)
      }
    },
    async stop() {
      await Promise.all([...sentinels, replica, master].map((server) => server.stop()))
    },
  })
}
