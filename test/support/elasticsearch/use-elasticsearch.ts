import { after } from 'node:test'
import { ElasticsearchUnavailable, startElasticsearch } from './elasticsearch.ts'
import type { Elasticsearch, Options } from './node.ts'

export type UsedElasticsearch = {
  /** For `{ skip }` of the tests that need the node: the reason if there is none, otherwise false. */
  readonly skip: string | false
  /** The node; throws if there is none. */
  readonly node: Elasticsearch
}

/**
 * Starts the node that the tests of one file share, and stops it after the last of them:
 *
 *     const elasticsearch = await useElasticsearch()
 *     test('…', { skip: elasticsearch.skip }, async () => { … elasticsearch.node.url … })
 *
 * If no node is available, these tests are skipped and stderr shows the reason; with REQUIRE_ELASTICSEARCH=1 it throws instead.
 */
export async function useElasticsearch(options: Options = {}): Promise<UsedElasticsearch> {
  try {
    const node = await startElasticsearch(options)
    after(() => node.stop())
    return { skip: false, node }
  } catch (error) {
    if (!(error instanceof ElasticsearchUnavailable) || process.env.REQUIRE_ELASTICSEARCH === '1') throw error
    console.error(`\nSKIPPED: ${error.message}\nREQUIRE_ELASTICSEARCH=1 makes this a failure.\n`)
    return {
      skip: error.message.replaceAll(/\s*\n\s*/g, ' '),
      get node(): never {
        throw error
      },
    }
  }
}
