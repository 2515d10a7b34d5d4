import { callElasticsearch } from '../../support/elasticsearch/call-elasticsearch.ts'

/** Creates a superuser that ends with `cleanup`. @returns an API key of the user, encoded */
export async function createKeyOwner(
  node: Parameters<typeof callElasticsearch>[0],
  username: string,
  cleanup: AsyncDisposableStack,
): Promise<string> {
  const owner = { username, password: 'interop-password' }
  const path = `/_security/user/${username}`
  await callElasticsearch(node, path, { method: 'PUT', body: { password: owner.password, roles: ['superuser'] } })
  cleanup.defer(async () => void (await callElasticsearch(node, path, { method: 'DELETE' })))
  const key = { method: 'POST', body: { name: 'interop' }, as: owner }
  return (await callElasticsearch(node, '/_security/api_key', key)).body.encoded
}
