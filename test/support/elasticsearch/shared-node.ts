import { ElasticsearchUnavailable, startElasticsearch } from './elasticsearch.ts'
import type { Elasticsearch } from './node.ts'

export type SharedNode = Readonly<{
  /** Names the node to the processes that use it. */
  environment: Readonly<Record<string, string>>
  stop: () => Promise<void>
}>

/**
 * Starts a node for several processes. If no node is available, says why on stderr and returns undefined, or ends the process if
 * REQUIRE_ELASTICSEARCH=1.
 */
export async function startSharedNode(): Promise<SharedNode | undefined> {
  try {
    const node = await startElasticsearch()
    return { environment: environmentOf(node), stop: () => node.stop() }
  } catch (error) {
    const isRequired = process.env.REQUIRE_ELASTICSEARCH === '1'
    if (!(error instanceof ElasticsearchUnavailable)) throw error
    console.error(`\nWARNING: ${error.message}`)
    console.error(isRequired ? 'and REQUIRE_ELASTICSEARCH=1\n' : 'Tests that need a node are skipped.\n')
    if (isRequired) process.exit(1)
    return undefined
  }
}

function environmentOf({ kind, url, username, password, version }: Elasticsearch): Record<string, string> {
  if (kind === 'external') return {} // the environment names it already, with its CA
  console.error(`Elasticsearch ${version} (${kind})`)
  return {
    ELASTICSEARCH_URL: url,
    ELASTICSEARCH_USERNAME: username,
    ELASTICSEARCH_PASSWORD: password,
    ELASTICSEARCH_VERSION: version.split('.')[0]!, // for the tests that start a node of their own
  }
}
