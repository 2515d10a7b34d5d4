import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RedisServer, startRedis } from './server.ts'

export type RedisCluster = Readonly<{ nodes: readonly RedisServer[]; stop: () => Promise<void> }>

/** Three masters that share the slots. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const config = ['cluster-enabled yes', 'cluster-node-timeout 1000', 'cluster-require-full-coverage no']
  const nodes = await Promise.all([0, 1, 2].map(() => startRedis({ config })))
  const addresses = nodes.map(({ address }) => address)
  execFileSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], { stdio: 'ignore' })
  for (const { client } of nodes) {
    while (!/cluster_state:ok/.test(String(await client.call('cluster', 'info')))) await sleep(20)
  }
  return Object.freeze({
    nodes,
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  })
}
