import { createFakeElasticsearch } from '../fake-elasticsearch/fake-elasticsearch.ts'
import { startGateway } from '../gateway.ts'

/** A stand-in for Elasticsearch, and gateways before it. */
export async function createRedisTestBed() {
  const standIn = createFakeElasticsearch()
  const elasticsearch = await standIn.listen()
  const gateways: Awaited<ReturnType<typeof startGateway>>[] = []

  /** A gateway that shares its users' states in this Redis. */
  async function start(flags: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
    const gateway = await startGateway({
      flags: {
        default_roles: 'viewer',
        'cache.type': 'redis',
        'cache.redis_timeout': '2s', // on a busy machine a call sometimes takes longer than the default of 250 ms
        'elasticsearch.hosts': elasticsearch,
        enable_metrics: 'true',
        ...flags,
      },
      env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme', ...env },
    })
    gateways.push(gateway)
    return gateway
  }

  return Object.freeze({
    standIn,
    start,
    /** Calls to Elasticsearch that are about this user, or made by it. */
    callsFor: (username: string) =>
      standIn.calls.filter((call) => call.path === `/_security/user/${username}` || call.username === username),
    async stop() {
      await Promise.all(gateways.map((gateway) => gateway.stop()))
      await standIn.close()
    },
  })
}

export type Answered = Readonly<{ status: number; authorization: string | null }>

export async function ask(url: string, username: string, groups = 'staff'): Promise<Answered> {
  const response = await fetch(url, { headers: { 'Remote-User': username, 'Remote-Groups': groups } })
  await response.arrayBuffer()
  return { status: response.status, authorization: response.headers.get('authorization') }
}

/** The value of a metric, 0 when it is not there yet. */
export async function metric(url: string, name: string, labels: Readonly<Record<string, string>>): Promise<number> {
  const text = await (await fetch(`${url}/elastauth/metrics`)).text()
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`)
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && wanted.every((part) => line.includes(part)))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Asks until the answer is accepted: for what becomes true by an event elsewhere. The test's own time limit ends it. */
export async function eventually<T>(look: () => Promise<T>, accepts: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look()
    if (accepts(value)) return value
    await new Promise((wake) => setTimeout(wake, 10))
  }
}
