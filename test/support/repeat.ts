/**
 * Runs tests many times and names each test that failed in any run: to find tests that fail by chance.
 *   npm run test:repeat -- [--times 10] [--busy] [FILE or PATTERN ...]
 * Without files it runs the whole suite. --busy keeps every processor core loaded meanwhile. Exits with 1 if any run failed.
 * Each run that needs Elasticsearch has a new node: users of an earlier run would change what the tests see.
 */
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { relative } from 'node:path'
import { run } from 'node:test'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { compileCache } from './compile-cache.ts'
import { startSharedNode } from './elasticsearch/shared-node.ts'
import { collectFailures, type Failure } from './failures.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { times: { type: 'string', default: '10' }, busy: { type: 'boolean', default: false } },
})
const times = Number(values.times)
const patterns = positionals.length > 0 ? positionals : ['test/**/*.test.ts']
const files = globSync(patterns).sort()
if (files.length === 0 || !Number.isInteger(times) || times < 1) {
  console.error(files.length === 0 ? `no file matches ${patterns.join(' ')}` : '--times takes a whole number from 1')
  process.exit(2)
}

if (values.busy) for (let core = 0; core < availableParallelism(); core++) new Worker('for (;;);', { eval: true })

const needsElasticsearch = files.some((file) => /^test\/(?:acceptance|integration)\//.test(file))
const timesFailed = new Map<string, number>()
let failedRuns = 0
for (let turn = 1; turn <= times; turn++) {
  const { failures, passed, skipped, seconds } = await runOnce()
  console.log(
    `run ${turn} of ${times}: ${passed} passed, ${failures.length} failed, ${skipped} skipped, ${seconds.toFixed(1)} s`,
  )
  for (const { file, name, message } of failures) {
    const title = `${relative('.', file)}: ${name}`
    timesFailed.set(title, (timesFailed.get(title) ?? 0) + 1)
    console.log(`  failed: ${title}\n${message.replaceAll(/^/gm, '    ')}`)
  }
  if (failures.length > 0) failedRuns++
}

console.log(`\n${failedRuns} of ${times} runs failed${timesFailed.size > 0 ? ':' : ''}`)
for (const [title, count] of timesFailed) console.log(`  ${count} of ${times}  ${title}`)
process.exit(failedRuns > 0 ? 1 : 0)

async function runOnce(): Promise<{ failures: Failure[]; passed: number; skipped: number; seconds: number }> {
  const node = needsElasticsearch ? await startSharedNode() : undefined
  Object.assign(process.env, compileCache, node?.environment)
  const stream = run({ files: [...files], concurrency: 2, timeout: 900_000 })
  const failures = collectFailures(stream)
  let result = { passed: 0, skipped: 0, seconds: 0 }
  stream.on('test:summary', ({ file, counts, duration_ms }) => {
    if (file === undefined) result = { passed: counts.passed, skipped: counts.skipped, seconds: duration_ms / 1000 }
  })
  for await (const _ of stream);
  if (node?.environment.ELASTICSEARCH_URL !== undefined) delete process.env.ELASTICSEARCH_URL
  await node?.stop()
  return { failures, ...result }
}
