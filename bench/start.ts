/** The time from the start of the process to its first response. `node bench/start.ts [runs]` */

import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGatewayFor } from '../test/support/gateway.ts'
import { formatMedian } from './load.ts'

const runs = Number(process.argv[2] ?? 9)
const fakeElasticsearch = createFakeElasticsearch()
const node = { url: await fakeElasticsearch.listen(), username: 'elastic', password: 'changeme' }
const times: number[] = []
for (let run = 0; run <= runs; run++) {
  const startedAt = performance.now()
  const gateway = await startGatewayFor(node)
  const response = await fetch(gateway.url, { headers: { 'Remote-User': `user-${run}` } })
  if (run > 0) times.push(performance.now() - startedAt) // the first run warms up the disk cache
  if (!response.ok) throw new Error(`status ${response.status}`)
  await gateway.stop()
}
await fakeElasticsearch.close()
console.log(`start to first response, for a new user: ${formatMedian(times, 0)} ms over ${runs} runs, median (min–max)`)
