/** From the start of the process to its first answer to a user. `node bench/start.ts [runs]` */

import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGateway } from '../test/support/gateway.ts'
import { spread } from './load.ts'

const runs = Number(process.argv[2] ?? 9)
const standIn = createFakeElasticsearch()
const elasticsearch = await standIn.listen()
const times: number[] = []
for (let run = 0; run <= runs; run++) {
  const startedAt = performance.now()
  const gateway = await startGateway({
    flags: { default_roles: 'kibana_user', 'elasticsearch.hosts': elasticsearch },
    env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' },
  })
  const answer = await fetch(gateway.url, { headers: { 'Remote-User': `user-${run}` } })
  if (run > 0) times.push(performance.now() - startedAt) // the first warms the disk's cache
  if (!answer.ok) throw new Error(`answered ${answer.status}`)
  await gateway.stop()
}
await standIn.close()
console.log(`start to first answer, a new user: ${spread(times, 0)} ms over ${runs} runs, median (least–most)`)
