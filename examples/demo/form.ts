import { readFileSync } from 'node:fs'
import { Client } from '@elastic/elasticsearch'
import type { Backend } from './backend.ts'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'

/** Their hashes are in users.yml. */
export const demoPasswords = { alice: 'alice-may-read', bob: 'bob-may-not' }
export const demoIndex = 'elastauth-demo'

/** Starts an elastauth in proxy mode with two users, and creates an index that one of them may read. */
export async function startForm({ backend, log }: Pick<GatewayOptions, 'backend' | 'log'>): Promise<Gateway> {
  const gateway = await startGateway({ backend, log, file: 'users.yml', port: 5004 })
  if (!backend.hasIndices) return gateway
  const client = connect(backend)
  await client.index({ index: demoIndex, id: '1', refresh: true, document: { text: 'for analysts' } })
  return {
    url: gateway.url,
    async close() {
      await client.indices.delete({ index: demoIndex, ignore_unavailable: true }).catch(() => {}) // it may have stopped first
      await client.close()
      await gateway.close()
    },
  }
}

function connect({ url, username, password, caFile }: Backend): Client {
  const tls = caFile === undefined ? {} : { tls: { ca: readFileSync(caFile) } }
  return new Client({ node: url, auth: { username, password }, ...tls })
}
