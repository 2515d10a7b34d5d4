/**
 * Resident memory with many cached users. `node bench/memory.ts [users]`
 * Each user sends one request (a read and a write at the fake Elasticsearch), then another one (a hit).
 */

import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGatewayFor } from '../test/support/gateway.ts'
import { residentMegabytes } from '../test/support/resident-memory.ts'

const users = Number(process.argv[2] ?? 100_000)
const fakeElasticsearch = createFakeElasticsearch()
const node = { url: await fakeElasticsearch.listen(), username: 'elastic', password: 'changeme' }
const gateway = await startGatewayFor(node, {
  nodeArguments: process.argv.slice(3),
  main: new URL('../dist/main.cjs', import.meta.url).pathname,
  flags: { log_level: 'error', listen: '127.0.0.1:6104' },
})
const agent = new Agent({ keepAlive: true, maxSockets: 32 })

report('started')
await sendRequests()
report(`${users} users, first request`)
await sendRequests()
report('second request, from the cache')
await sleep(5_000)
report('after 5 s of idle time')
agent.destroy()
await gateway.stop()
await fakeElasticsearch.close()

async function sendRequests(): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < users) await sendRequest(next++)
  }
  await Promise.all(Array.from({ length: 32 }, worker))
}

function sendRequest(user: number): Promise<void> {
  const headers = {
    'Remote-User': `user-${user}@example.com`,
    'Remote-Groups': `users,team-${user % 100}`,
    'Remote-Email': `user-${user}@example.com`,
  }
  return new Promise((resolve, reject) => {
    get(gateway.url, { agent, headers }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`))
      response.resume().on('end', resolve)
    }).on('error', reject)
  })
}

function report(state: string): void {
  console.log(`${state.padEnd(36)} ${residentMegabytes(gateway.process.pid!).toFixed(0)} MB resident`)
}
