import { createFixture } from '../../behavior/fixture.ts'
import type { FakeElasticsearch } from '../fake-elasticsearch/fake-elasticsearch.ts'
import type { Gateway } from '../gateway.ts'
import { redisFlags } from './flags.ts'

type Values = Readonly<Record<string, string>>

export type RedisTestBed = Readonly<{
  fakeElasticsearch: FakeElasticsearch
  /** Starts a gateway that shares state through Redis. */
  start: (flags: Values, env?: Values) => Promise<Gateway>
  /** Calls to Elasticsearch about this user, or with this user's credential. */
  callsFor: (username: string) => FakeElasticsearch['calls']
  stop: () => Promise<void>
}>

/** A fake Elasticsearch, and gateways that share Redis. */
export async function createRedisTestBed(): Promise<RedisTestBed> {
  const cleanups: (() => unknown)[] = []
  const { elasticsearch: fakeElasticsearch, start } = await createFixture({}, (cleanup) => cleanups.unshift(cleanup))
  const usual = { ...redisFlags, enable_metrics: 'true' }
  return Object.freeze({
    fakeElasticsearch,
    start: (flags: Values, env: Values = {}) => start({ flags: { ...usual, ...flags }, env }),
    callsFor: (username: string) =>
      fakeElasticsearch.calls.filter(
        (call) => call.path === `/_security/user/${username}` || call.username === username,
      ),
    async stop() {
      for (const cleanup of cleanups) await cleanup()
    },
  })
}

/** The sum of a metric over all series with these labels; 0 if there are none. */
export async function readMetric(url: string, name: string, labels: Values): Promise<number> {
  const text = await (await fetch(`${url}/elastauth/metrics`)).text()
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${value}"`)
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && parts.every((part) => line.includes(part)))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
