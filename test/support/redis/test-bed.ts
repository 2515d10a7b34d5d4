import { createFakeElasticsearch } from '../fake-elasticsearch/fake-elasticsearch.ts'
import { startGateway } from '../gateway.ts'

/** A fake Elasticsearch, and gateways that use it. */
export async function createRedisTestBed() {
  const fakeElasticsearch = createFakeElasticsearch()
  const elasticsearch = await fakeElasticsearch.listen()
  const gateways: Awaited<ReturnType<typeof startGateway>>[] = []

  /** Starts a gateway that shares state through Redis. */
  async function start(flags: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
    const gateway = await startGateway({
      flags: {
        default_roles: 'viewer',
        'cache.type': 'redis',
        'cache.redis_timeout': '2s', // on a busy machine, a call may take longer than the default of 250 ms
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
    fakeElasticsearch,
    start,
    /** The calls to Elasticsearch about this user, or by this user. */
    callsFor: (username: string) =>
      fakeElasticsearch.calls.filter(
        (call) => call.path === `/_security/user/${username}` || call.username === username,
      ),
    async stop() {
      await Promise.all(gateways.map((gateway) => gateway.stop()))
      await fakeElasticsearch.close()
    },
  })
}

export type AuthResponse = Readonly<{ status: number; authorization: string | null }>

export async function authenticate(url: string, username: string, groups = 'staff'): Promise<AuthResponse> {
  const response = await fetch(url, { headers: { 'Remote-User': username, 'Remote-Groups': groups } })
  await response.arrayBuffer()
  return { status: response.status, authorization: response.headers.get('authorization') }
}

/** The sum of a metric over all series with these labels; 0 if there are none. */
export async function readMetric(url: string, name: string, labels: Readonly<Record<string, string>>): Promise<number> {
  const text = await (await fetch(`${url}/elastauth/metrics`)).text()
  const labelTexts = Object.entries(labels).map(([key, value]) => `${key}="${value}"`)
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && labelTexts.every((label) => line.includes(label)))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Polls until the value is accepted. Has no timeout of its own: the test's timeout ends it. */
export async function eventually<T>(read: () => Promise<T>, accepts: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read()
    if (accepts(value)) return value
    await new Promise((wake) => setTimeout(wake, 10))
  }
}
