/**
 * Measures the cost of many new users: passwords sent as hashes (`elasticsearch.password_hashing: pbkdf2_1000`) against passwords
 * sent as plain text (`server`), with a real Elasticsearch. The node verifies each credential.
 * `node test/support/elasticsearch/with-elasticsearch.ts -- node bench/crowd.ts [users] [concurrency] [rounds]`
 */
import { startElasticsearch } from '../test/support/elasticsearch/elasticsearch.ts'
import { authorize, logIn, startGatewayFor } from '../test/support/gateway.ts'
import { formatMedian, median } from './load.ts'

const users = Number(process.argv[2] ?? 400)
const concurrency = Number(process.argv[3] ?? 50)
/** The number of rounds. Hash and text alternate, so that other load on the machine affects both sides equally. */
const rounds = Number(process.argv[4] ?? 4)

const node = await startElasticsearch()
const sides = await Promise.all(
  (['pbkdf2_1000', 'server'] as const).map(async (mode) => {
    // bcrypt is slow on a busy machine.
    const gateway = await startGatewayFor(node, {
      flags: { 'elasticsearch.password_hashing': mode, 'elasticsearch.timeout': '5m' },
    })
    return { mode, gateway, seconds: [] as number[], perUser: [] as number[] }
  }),
)
const stamp = Date.now().toString(36)

for (const { gateway, mode } of sides) await crowd(gateway, `warm-${mode}`, 20) // warms up the node's JIT compiler
for (let round = 0; round < rounds; round++) {
  for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
    const startedAt = performance.now()
    side.perUser.push(...(await crowd(side.gateway, `${side.mode}-${round}`, Math.ceil(users / rounds))))
    side.seconds.push((performance.now() - startedAt) / 1000)
  }
}
console.log(
  `Elasticsearch ${node.version}: ${users} new users on each side, ${concurrency} at a time, ${rounds} alternating rounds`,
)
for (const { mode, seconds, perUser } of sides) {
  const totalSeconds = seconds.reduce((sum, each) => sum + each, 0)
  console.log(
    `${mode.padEnd(12)} ${totalSeconds.toFixed(1)} s; per user ${formatMedian(perUser, 0)} ms, median (min–max)`,
  )
}
const [hash, text] = sides
const ratios = hash!.seconds.map((seconds, round) => seconds / text!.seconds[round]!)
console.log(
  `hash to text: ${formatMedian(ratios, 3)}, 1/${(1 / median(ratios)).toFixed(1)}, median (min–max) of the rounds`,
)
await Promise.all(sides.map(({ gateway }) => gateway.stop()))
await node.stop()

/** @returns for each user the milliseconds until its credential was accepted by the node */
async function crowd(gateway: (typeof sides)[number]['gateway'], name: string, size: number): Promise<number[]> {
  const times: number[] = []
  let next = 0
  const worker = async () => {
    while (next < size) {
      const username = `crowd-${name}-${next++}-${stamp}`
      const startedAt = performance.now()
      const { status, authorization } = await authorize(gateway, username)
      const login = await logIn(node, authorization)
      if (status !== 200 || login.status !== 200 || login.username !== username)
        throw new Error(`${username}: ${status}, and Elasticsearch responded ${login.status} ${login.username}`)
      times.push(performance.now() - startedAt)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return times
}
