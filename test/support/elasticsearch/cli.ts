/**
 * Runs one secured Elasticsearch node in the foreground until SIGTERM or SIGINT, then exits with 0.
 *   node test/support/elasticsearch/cli.ts [--port 9200] [--tls] [--data DIR] [--kind docker|java]
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ElasticsearchUnavailable, startElasticsearch } from './elasticsearch.ts'
import type { Kind } from './node.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '9200' },
    tls: { type: 'boolean', default: false },
    data: { type: 'string' },
    kind: { type: 'string' },
  },
})

let isStopping = false
const { promise: ending, resolve: end } = Promise.withResolvers<void>()
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (isStopping) process.exit(0) // the exit of this process also ends a node that is still starting
    isStopping = true
    end()
  })
}

try {
  const starting = startElasticsearch({
    own: true,
    port: Number(values.port),
    tls: values.tls,
    ...(values.data && { dataDir: values.data }),
    ...(values.kind && { kind: values.kind as Kind }),
  })
  const node = await Promise.race([starting, ending])
  if (!node) process.exit(0)
  if (node.caCert && values.data) {
    mkdirSync(values.data, { recursive: true })
    writeFileSync(join(values.data, 'ca.crt'), node.caCert)
    console.log(`ca ${join(values.data, 'ca.crt')}`)
  }
  console.log(`elasticsearch ready ${node.url}`)
  await ending
  await node.stop()
  process.exit(0)
} catch (error) {
  console.error(error instanceof ElasticsearchUnavailable ? error.message : error)
  process.exit(1)
}
