import { GatewayError } from '../http/errors.ts'
import { type Call, isLoginRejection } from './call.ts'
import type { ElasticsearchClient } from './client.ts'
import { type ClientLogin, readClientLogin } from './read-response.ts'

/**
 * Creates a function that signs in with a client's own credential. It resolves to what Elasticsearch says about the caller, or to
 * undefined if Elasticsearch rejects the credential. It rejects with GatewayError elasticsearch_unavailable.
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-authenticate
 */
export function createClientLogIn(client: () => ElasticsearchClient, call: Call) {
  return async function logIn(authorization: string): Promise<ClientLogin | undefined> {
    try {
      return await call('client_authenticate', () => authenticate(client(), authorization))
    } catch (error) {
      // Only Elasticsearch's own 401 says something about the credential.
      if (error instanceof GatewayError && error.code === 'elasticsearch_rejected')
        throw new GatewayError('elasticsearch_unavailable', error.detail)
      throw error
    }
  }
}

async function authenticate(client: ElasticsearchClient, authorization: string): Promise<ClientLogin | undefined> {
  try {
    // This header replaces the service account's.
    return readClientLogin(await client.security.authenticate({}, { headers: { authorization } }))
  } catch (error) {
    if (isLoginRejection(error)) return undefined
    throw error
  }
}
