import { createCall } from './call.ts'
import { createElasticsearchClient, type ElasticsearchOptions } from './client.ts'
import { createPasswordHashing } from './password-hashing.ts'
import { createUsers } from './users.ts'

/** A client for the life of one command, without reloads, metrics and traces. @param hashing for commands that write users */
export function createCommandClient(
  options: ElasticsearchOptions,
  hashing = createPasswordHashing('server', () => {}),
) {
  const elasticsearch = createElasticsearchClient(options)
  const client = () => elasticsearch
  const call = createCall({ monotonicNow: () => performance.now() })
  return Object.freeze({
    client,
    call,
    users: createUsers(client, call, hashing),
    close: (): Promise<void> => elasticsearch.close(),
  })
}
