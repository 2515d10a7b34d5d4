import { after, test } from 'node:test'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { startGatewayFor } from '../support/gateway.ts'
import { findQuoted, quotedCases } from '../support/troubleshooting.ts'

const elasticsearch = await useElasticsearch()

test('logs the lines that docs/troubleshooting.md quotes under "Signed in, but without privileges"', {
  skip: elasticsearch.skip,
}, async () => {
  const gateway = await startGatewayFor(elasticsearch.node, { flags: { default_roles: 'no-such-role' } })
  after(() => gateway.stop())
  for (const quote of quotedCases.get('Signed in, but without privileges')!) await findQuoted([gateway], quote)
})
