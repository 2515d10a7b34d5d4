/** Resident memory with many cached users. */
import { setTimeout as sleep } from 'node:timers/promises'
import { residentMegabytes, trackPeakResidentMegabytes } from '../test/support/resident-memory.ts'
import type { Bench, Case, Figures } from './harness.ts'
import { quiet, quietName, startElastauth, startFakeElasticsearch } from './programs.ts'
import { sendAll, users } from './requests.ts'

const created = 'resident memory after the first requests, MB'
const returned = 'resident memory after the second requests, MB'
const idle = 'resident memory after 5 s of idle time, MB'

export const memoryCase: Case = {
  name: 'memory',
  title: '100,000 cached users',
  rounds: 3,
  hasNoWarmUp: true,
  prepare: async (bench) => [
    {
      name: quietName,
      measure: () => measure(bench),
      goals: [created, returned, idle].map((metric) => ({ metric, atMost: 160 })),
    },
  ],
}

/** Each user sends one request (a read and a write at the fake Elasticsearch), then another one (a hit). */
async function measure({ size }: Bench): Promise<Figures> {
  await using cleanup = new AsyncDisposableStack()
  const { fake, node } = await startFakeElasticsearch({ cleanup })
  // the fake Elasticsearch and the load share a processor
  const flags = { ...node, ...quiet, 'elasticsearch.timeout': '1m' }
  const { url, pid } = await startElastauth({ cleanup }, flags)
  const [count, batch] = [size(100_000, 100), size(10_000, 50)]
  const sendFromEach = async () => {
    for (let i = 0; i < count; i += batch) {
      await sendAll(url, users(i, i + batch))
      fake.calls.length = 0 // so that the memory of this process does not grow with them
    }
    return residentMegabytes(pid)
  }
  const atStart = residentMegabytes(pid)
  const stopTracking = trackPeakResidentMegabytes(pid)
  const afterFirst = await sendFromEach()
  const afterSecond = await sendFromEach()
  const peak = stopTracking()
  await sleep(size(5000, 100))
  return {
    'resident memory at the start, MB': atStart,
    [created]: afterFirst,
    [returned]: afterSecond,
    [idle]: residentMegabytes(pid),
    'largest resident memory, MB': peak,
  }
}
