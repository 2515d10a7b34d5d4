import type { Call } from '../es/call.ts'
import type { ElasticsearchClient } from '../es/client.ts'
import { createClientLogIn } from '../es/client-login.ts'
import { createElasticsearchProvider } from '../providers/elasticsearch/index.ts'
import type { Provider } from '../providers/provider.ts'
import type { ClientCredentialsOptions } from './options/client-credentials.ts'

/** The provider `elasticsearch`, which a reload does not replace, so that it keeps the verified credentials. */
export function createClientCredentials(
  options: ClientCredentialsOptions,
  client: () => ElasticsearchClient,
  call: Call,
): Provider {
  const logIn = createClientLogIn(client, call)
  return createElasticsearchProvider({ ...options, logIn, monotonicNow: () => performance.now() })
}
