import type { Call } from '../es/call.ts'
import type { ElasticsearchClient } from '../es/client.ts'
import { createClientLogIn } from '../es/client-login.ts'
import type { Logger } from '../observability/log.ts'
import type { AttemptStore } from '../providers/attempt-limits.ts'
import { createElasticsearchProvider, type ElasticsearchProviderOptions } from '../providers/elasticsearch/index.ts'
import type { Provider } from '../providers/provider.ts'
import type { ClientCredentialsOptions } from './options/client-credentials.ts'

type Deps = Readonly<{ log: Logger; attemptStore: AttemptStore | undefined }>

/** The provider `elasticsearch`, which a reload does not replace, so that it keeps the verified credentials. */
export function createClientCredentials(
  options: ClientCredentialsOptions,
  { client, call, ...deps }: Deps & Readonly<{ client: () => ElasticsearchClient; call: Call }>,
): Promise<Provider> {
  return createClientCredentialsWith(createClientLogIn(client, call), options, deps)
}

/** @param logIn see `ElasticsearchProviderOptions` */
export async function createClientCredentialsWith(
  logIn: ElasticsearchProviderOptions['logIn'],
  { acceptsBasic, ...options }: ClientCredentialsOptions,
  { log, attemptStore }: Deps,
): Promise<Provider> {
  const attempts = acceptsBasic ? await createAttempts(log, attemptStore) : undefined
  return createElasticsearchProvider({ ...options, attempts, logIn, monotonicNow: () => performance.now() })
}

async function createAttempts(log: Logger, shared: AttemptStore | undefined) {
  const { createReportedLimits } = await import('./attempt-limits.ts') // loaded only if configured
  return createReportedLimits({ log, shared, isUser: () => false })
}
