import { after } from 'node:test'
import { ElasticsearchUnavailable, startElasticsearch } from './elasticsearch.ts'
import type { Elasticsearch, Options } from './node.ts'

export type UsedElasticsearch = {
  /** For `{ skip }` of the tests that need the node: the reason when there is none, else false. */
  readonly skip: string | false
  /** The node; throws where `skip` should have been used. */
  readonly node: Elasticsearch
}

/**
 * The node that the tests of one file share, ended after the last of them:
 *
 *     const elasticsearch = await useElasticsearch()
 *     test('…', { skip: elasticsearch.skip }, async () => { … elasticsearch.node.url … })
 *
 * Where none can be had those tests are skipped, and stderr says why; with REQUIRE_ELASTICSEARCH=1 it throws instead.
 */
export async function useElasticsearch(options: Options = {}): Promise<UsedElasticsearch> {
  try {
    const node = await startElasticsearch(options)
    after(() => node.stop())
    return { skip: false, node }
  } catch (error) {
    if (!(error instanceof ElasticsearchUnavailable) || process.env.REQUIRE_ELASTICSEARCH === '1') throw error
    console.error(`\nSKIPPED, for ${error.message}\nREQUIRE_ELASTICSEARCH=1 makes this a failure.\n`)
    return {
      skip: error.message.replaceAll(/\s*\n\s*/g, ' '),
      get node(): never {
        throw error
      },
    }
  }
}
