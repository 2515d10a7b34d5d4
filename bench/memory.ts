/**
 * Resident memory with many cached users. `node bench/memory.ts [users]`
 * Every user comes once (a read and a write at the stand-in), then once more (a hit).
 */

import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGateway } from '../test/support/gateway.ts'
import { residentMegabytes } from '../test/support/resident-memory.ts'

const users = Number(process.argv[2] ?? 100_000)
const standIn = createFakeElasticsearch()
const elasticsearch = await standIn.listen()
const gateway = await startGateway({
  nodeArguments: process.argv.slice(3),
  main: new URL('../dist/src/main.js', import.meta.url).pathname,
  flags: {
    default_roles: 'kibana_user',
    log_level: 'error',
    listen: '127.0.0.1:6104',
    'elasticsearch.hosts': elasticsearch,
  },
  env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' },
})
const agent = new Agent({ keepAlive: true, maxSockets: 32 })

report('started')
await everyUser()
report(`${users} users came once`)
await everyUser()
report('and once more, from the cache')
await sleep(5_000)
report('after 5 s at rest')
agent.destroy()
await gateway.stop()
await standIn.close()

async function everyUser(): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < users) await ask(next++)
  }
  await Promise.all(Array.from({ length: 32 }, lane))
}

function ask(user: number): Promise<void> {
  const headers = {
    'Remote-User': `user-${user}@example.com`,
    'Remote-Groups': `users,team-${user % 100}`,
    'Remote-Email': `user-${user}@example.com`,
  }
  return new Promise((resolve, reject) => {
    get(gateway.url, { agent, headers }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`answered ${answer.statusCode}`))
      answer.resume().on('end', resolve)
    }).on('error', reject)
  })
}

function report(when: string): void {
  console.log(`${when.padEnd(36)} ${residentMegabytes(gateway.process.pid!).toFixed(0)} MB resident`)
}
