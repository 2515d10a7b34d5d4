import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RedisServer, type ServerOptions, startRedis } from './server.ts'

export type RedisCluster = Readonly<{ nodes: readonly RedisServer[]; stop: () => Promise<void> }>

/** Starts three masters that share the slots. `tls` also encrypts the connections between them. */
export async function startRedisCluster({ tls, config = [] }: ServerOptions = {}): Promise<RedisCluster> {
  const lines = ['cluster-enabled yes', 'cluster-node-timeout 1000', 'cluster-require-full-coverage no', ...config]
  if (tls) lines.push('tls-cluster yes')
  const nodes = await Promise.all([0, 1, 2].map(() => startRedis({ config: lines, ...(tls && { tls }) })))
  const addresses = nodes.map(({ address }) => address)
  const args = [...(tls?.arguments ?? []), '--cluster', 'create', ...addresses, '--cluster-yes']
  execFileSync('redis-cli', args, { stdio: 'ignore' })
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
