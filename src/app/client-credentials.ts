import type { Call } from '../es/call.ts'
import type { ElasticsearchClient } from '../es/client.ts'
import { createClientLogIn } from '../es/client-login.ts'
import type { Logger } from '../observability/log.ts'
import type { AttemptStore } from '../providers/attempt-limits.ts'
import { createElasticsearchProvider } from '../providers/elasticsearch/index.ts'
import type { Provider } from '../providers/provider.ts'
import type { ClientCredentialsOptions } from './options/client-credentials.ts'

type Deps = Readonly<{
  client: () => ElasticsearchClient
  call: Call
  log: Logger
  attemptStore: AttemptStore | undefined
}>

/** The provider `elasticsearch`, which a reload does not replace, so that it keeps the verified credentials. */
export async function createClientCredentials(
  { acceptsBasic, ...options }: ClientCredentialsOptions,
  { client, call, log, attemptStore }: Deps,
): Promise<Provider> {
  const attempts = acceptsBasic ? await createAttempts(log, attemptStore) : undefined
  const logIn = createClientLogIn(client, call)
  return createElasticsearchProvider({ ...options, attempts, logIn, monotonicNow: () => performance.now() })
}

async function createAttempts(log: Logger, shared: AttemptStore | undefined) {
  const { createReportedLimits } = await import('./attempt-limits.ts') // loaded only if configured
  return createReportedLimits({ log, shared, isUser: () => false })
}
