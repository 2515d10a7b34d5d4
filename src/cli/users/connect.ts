import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../../config/schema.ts'
import { credentialsOptions } from '../../app/options/credentials.ts'
import { elasticsearchOptions } from '../../app/options/elasticsearch.ts'
import { replicasOptions } from '../../app/options/redis.ts'
import { retentionOptions } from '../../app/options/retention.ts'
import { createUserRetention } from '../../app/retention.ts'
import { type Administration, createAdministration } from '../../auth/credentials/administer.ts'
import { createKeyring, type Keyring } from '../../auth/credentials/password.ts'
import { createPasswordWriter } from '../../auth/credentials/password-writer.ts'
import type { Retention } from '../../auth/credentials/retention/retention.ts'
import { createSharedCache } from '../../auth/credentials/shared-cache.ts'
import { noSharedStates } from '../../auth/credentials/shared-states.ts'
import { createApiKeys } from '../../es/api-keys.ts'
import { createCommandClient } from '../../es/command-client.ts'
import { createPasswordHashing } from '../../es/password-hashing.ts'
import { createCredentialReporter } from '../../observability/credential-events.ts'
import { createLog } from '../../observability/log.ts'
import { createSeal } from '../../sessions/seal.ts'
import { createSessionSeal } from '../../sessions/session-seal.ts'
import { createUserSessions, type UserSessions } from '../../sessions/user-sessions.ts'

/** What the commands `elastauth users …` work on: the Elasticsearch, the Redis and the keys of the running replicas. */
export type Connections = Readonly<{
  directory: ReturnType<typeof createCommandClient>['users']
  apiKeys: ReturnType<typeof createApiKeys>
  administration: Administration
  keys: Keyring
  /** The sessions that replicas share; undefined without Redis, or if users do not sign in through elastauth. */
  sessions: UserSessions | undefined
  /** Undefined if `user_retention` is off. */
  retention: Retention | undefined
  close: () => void
}>

/** @param usesRedis whether the command needs what replicas share */
export async function connect(config: Config, usesRedis: boolean): Promise<Connections> {
  const { secretKeys, rules, passwordHashing } = credentialsOptions(config)
  const hashing = createPasswordHashing(passwordHashing, () => {})
  const elasticsearch = createCommandClient(elasticsearchOptions(config), hashing)
  const { client, call, users: directory } = elasticsearch
  const keys = createKeyring(secretKeys)
  const shared = usesRedis ? replicasOptions(config) : undefined
  const redis = shared && (await connectToRedis(shared.connection))
  const wait = (milliseconds: number) => sleep(milliseconds)
  const log = await createLog({ level: config.log_level, format: config.log_format, destination: process.stderr })
  const preparePassword = createPasswordWriter({ keys, sendsHash: hashing.isOn })
  const states =
    redis && shared?.sharesUserStates
      ? createSharedCache({
          ...{ store: redis.store, keys, rules, lockTtlMs: shared.lockTtlMs },
          ...{ now: Date.now, monotonicNow, sleep: wait },
        })
      : noSharedStates
  const report = createCredentialReporter(log, undefined)
  const retentionRules = retentionOptions(config)
  return Object.freeze<Connections>({
    directory,
    apiKeys: createApiKeys(client, call),
    keys,
    retention:
      retentionRules &&
      createUserRetention(
        retentionRules,
        { directory, keys, preparePassword, states, rules, forget: () => {}, report },
        client,
        call,
      ),
    administration: createAdministration({
      ...{ directory, keys, rules, now: Date.now, sleep: wait },
      ...{ preparePassword, states, report },
    }),
    sessions:
      redis && shared?.hasSessions
        ? createUserSessions({
            store: redis.sessions,
            seal: createSessionSeal(createSeal(secretKeys, 'session')),
            revoke: redis.sessions.delete,
          })
        : undefined,
    close() {
      void elasticsearch.close()
      redis?.close()
    },
  })
}

/** Users can be revoked while Redis is down: the checks after the revocation say that it is. */
async function connectToRedis(connection: NonNullable<ReturnType<typeof replicasOptions>>['connection']) {
  const { createRedis } = await import('../../redis/redis.ts') // loaded only if configured
  const redis = createRedis({
    connection,
    onStateChange: (change) => {
      if (change.state === 'down') console.error(`elastauth: Redis: ${change.reason}`)
    },
  })
  await redis.start()
  return redis
}

function monotonicNow(): number {
  return performance.now()
}
