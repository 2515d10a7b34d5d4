import type { Config } from '../../../config/schema.ts'
import { credentialsOptions } from '../../app/options/credentials.ts'
import { elasticsearchOptions } from '../../app/options/elasticsearch.ts'
import { createKeyring } from '../../auth/credentials/password.ts'
import { createCall } from '../../es/call.ts'
import { createElasticsearchClient } from '../../es/client.ts'
import { createPasswordHashing } from '../../es/password-hashing.ts'
import { createUsers } from '../../es/users.ts'

/** What the commands `elastauth users …` work on: the same Elasticsearch and keys as the running replicas. */
export type Connections = Awaited<ReturnType<typeof connect>>

export async function connect(config: Config) {
  const { secretKeys, rules, passwordHashing } = credentialsOptions(config)
  const client = createElasticsearchClient(elasticsearchOptions(config))
  const call = createCall({ monotonicNow: () => performance.now() })
  const hashing = createPasswordHashing(passwordHashing, () => {})
  return Object.freeze({
    directory: createUsers(() => client, call, hashing),
    keys: createKeyring(secretKeys),
    rules,
    close() {
      void client.close()
    },
  })
}
