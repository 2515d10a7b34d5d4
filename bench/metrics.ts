/** What it costs to count a cached hit in the metrics: as elastauth does, and with the counters and histograms of prom-client. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { definitions } from '../src/observability/metrics/definitions.ts'
import { createMetrics } from '../src/observability/metrics/metrics.ts'
import type { Bench, Case, Program } from './harness.ts'

type Count = (seconds: number) => void

const metric = 'processor time per request, ns'
const base = 'prom-client'
/** Durations in seconds, from 0.1 to 1.6 ms. */
const durations = Array.from({ length: 64 }, (_, i) => 0.0001 + i / 40_000)

export const metricsCase: Case = { name: 'metrics', title: 'Counting a cached hit in the metrics', prepare }

async function prepare(bench: Bench): Promise<Program[]> {
  const requests = bench.size(3_000_000, 20_000)
  return [
    { name: base, measure: async () => ({ [metric]: measure(countWithPromClient, requests) }) },
    {
      name: 'elastauth',
      measure: async () => ({ [metric]: measure(countWithElastauth, requests) }),
      goals: [{ metric, to: base, atMost: 0.1 }],
    },
  ]
}

/** Nanoseconds per request, in this process. */
function measure(createCount: () => Count, requests: number): number {
  const count = createCount()
  const before = process.cpuUsage()
  for (let i = 0; i < requests; i++) count(durations[i & 63]!)
  return (process.cpuUsage(before).user * 1000) / requests
}

function countWithElastauth(): Count {
  const { authentication, credentials, requests } = createMetrics({ version: '', features: new Set(), now: Date.now })
  return (seconds) => {
    requests.requestStarted()
    credentials.cacheLookedUp('hit')
    authentication.authenticated('success')
    requests.requestEnded('GET', 200, seconds)
  }
}

function countWithPromClient(): Count {
  const registers = [new Registry()]
  const counter = (name: string, ...labelNames: string[]) => new Counter({ name, help: name, labelNames, registers })
  const active = new Gauge({ name: 'active', help: 'active', registers })
  const total = counter('requests', 'method', 'status')
  const authentications = counter('authentications', 'result')
  const lookups = counter('lookups', 'result')
  const { buckets } = definitions.elastauth_request_duration_seconds
  const histogram = new Histogram({ name: 'duration', help: 'duration', buckets: [...buckets], registers })
  return (seconds) => {
    active.inc()
    lookups.inc({ result: 'hit' })
    authentications.inc({ result: 'success' })
    active.dec()
    total.inc({ method: 'GET', status: 200 })
    histogram.observe(seconds)
  }
}
