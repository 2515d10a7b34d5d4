import type { WriteReason } from '../auth/credentials/lifecycle.ts'
import { readManagedState, type StoredUser } from '../auth/credentials/managed-user.ts'
import type { CredentialEvent } from '../auth/credentials/options.ts'
import type { Keyring } from '../auth/credentials/password.ts'
import { asGatewayError } from '../http/errors.ts'
import { logEvent } from '../observability/events.ts'
import type { Logger } from '../observability/log.ts'

type Deps = Readonly<{
  get: (username: string) => Promise<StoredUser | undefined>
  keys: Pick<Keyring, 'knows' | 'password'>
  activate: (username: string, password: string) => Promise<void>
  log: Logger
}>

/** Writes after which Kibana may not know the user, or not the current roles. */
const reasons: readonly WriteReason[] = ['created', 'taken_over', 'changed', 'enabled']
const maxConcurrent = 2
const maxQueued = 1000

/**
 * Activates the Kibana profile of users after they were written (`kibana.activate_profile`), in the background. A user who finds the
 * queue full, or whose activation fails, is tried again after the next such write. The returned function never throws.
 */
export function createProfileActivation({ get, keys, activate, log }: Deps): (event: CredentialEvent) => void {
  const queue = new Set<string>()
  let running = 0
  let hasFailed = false

  async function work(): Promise<void> {
    running++
    for (const username of queue) {
      queue.delete(username)
      await activateOne(username)
    }
    running--
  }

  /** Reads the user, because the password may have been replaced since the write. Never rejects. */
  async function activateOne(username: string): Promise<void> {
    try {
      const stored = await get(username)
      const state = stored?.enabled ? readManagedState(stored.metadata) : undefined
      if (state === undefined || !keys.knows(state.key_id)) return
      await activate(username, keys.password(state.key_id, username, state.created, state.version))
      hasFailed = false
    } catch (error) {
      reportFailure(username, error)
    }
  }

  /** Once until an activation succeeds, because all may fail for the same reason. */
  function reportFailure(username: string, error: unknown): void {
    if (hasFailed) return
    hasFailed = true
    const { code, detail } = asGatewayError(error)
    const fields = { 'error.code': code, 'event.reason': code, 'user.name': username }
    logEvent(log, 'profile_failed', fields, `user ${username}: cannot activate the Kibana profile: ${detail}`)
  }

  return function noteWrite(event) {
    if (event.kind !== 'written' || !reasons.includes(event.reason) || queue.size >= maxQueued) return
    queue.add(event.username)
    if (running < maxConcurrent) void work()
  }
}
