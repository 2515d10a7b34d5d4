/**
 * Runs the fake Elasticsearch in the foreground until SIGTERM or SIGINT, for a demo without Docker and Java.
 *   node test/support/fake-elasticsearch/cli.ts [--port 9200]
 */
import { parseArgs } from 'node:util'
import { createFakeElasticsearch } from './fake-elasticsearch.ts'

const { values } = parseArgs({ options: { port: { type: 'string', default: '9200' } } })
const elasticsearch = createFakeElasticsearch()
console.log(`stand-in (not a real Elasticsearch) ready ${await elasticsearch.listen(Number(values.port))}`)
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => elasticsearch.close().then(() => process.exit(0)))
