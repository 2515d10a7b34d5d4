import type { Elasticsearch } from '../../support/elasticsearch/node.ts'
import { elasticsearchFlags, startGateway } from '../../support/gateway.ts'
import type { Address } from './listen.ts'
import type { RealProxy } from './real-proxy.ts'
import { groupMappings } from './sessions.ts'

/** elastauth behind this proxy, configured as docs/deployment/README.md says. */
export async function startElastauth(
  { profile }: RealProxy,
  { url, username, password }: Pick<Elasticsearch, 'url' | 'username' | 'password'>,
  proxySecret: string,
  cleanup: AsyncDisposableStack,
  flags: Readonly<Record<string, string>> = {},
): Promise<Address> {
  const gateway = await startGateway({
    flags: {
      ...elasticsearchFlags,
      'forward_auth.profile': profile,
      trusted_proxies: 'loopback',
      'elasticsearch.hosts': url,
      ...flags,
    },
    env: {
      ELASTAUTH_PROXY_SECRET: proxySecret,
      ELASTAUTH_GROUP_MAPPINGS: JSON.stringify(groupMappings),
      ELASTAUTH_ELASTICSEARCH_USERNAME: username,
      ELASTAUTH_ELASTICSEARCH_PASSWORD: password,
    },
  })
  cleanup.defer(async () => void (await gateway.stop()))
  return new URL(gateway.url).host
}
