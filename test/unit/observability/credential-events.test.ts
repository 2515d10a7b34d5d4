import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CredentialEvent } from '../../../src/auth/credentials/options.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { createCredentialReporter } from '../../../src/observability/credential-events.ts'
import { type EventAction, eventTable } from '../../../src/observability/events.ts'
import { createLog, type Logger } from '../../../src/observability/log.ts'

test('the log says that another installation is the cause if a user is taken over from an unknown key repeatedly', () => {
  const lines: string[] = []
  const log = { warn: (_fields: object, message: string) => void lines.push(message) } as unknown as Logger
  const report = createCredentialReporter(log, undefined)
  const takeOver = (username: string, version: number): CredentialEvent => ({
    ...{ kind: 'written', reason: 'rekeyed', username, version },
    access: { former: { roles: ['viewer'], groups: [] }, current: { roles: ['viewer'], groups: [] } },
    keyIds: { former: 'k-old', current: 'k-new' },
  })
  for (const event of [takeOver('bob', 2), takeOver('ann', 2), takeOver('bob', 4)]) report(event)
  assert.deepEqual(lines, [
    'user bob: taken over from the unknown key k-old, now managed with k-new (version 2). If another installation manages the same users, set the same secret_key in both',
    'user ann: taken over from the unknown key k-old, now managed with k-new (version 2). If another installation manages the same users, set the same secret_key in both',
    'user bob: taken over from the unknown key k-old, now managed with k-new (version 4). If another installation manages the same users, set the same secret_key in both. This user has been taken over 2 times since the start: another installation with the key k-old is running',
  ])
})

test('each change of a credential is logged as the event of the same name, with the user and the level in the table', async () => {
  const lines: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const log = await createLog({ level: 'info', format: 'json', destination })
  const report = createCredentialReporter(log, undefined)
  const access = { former: undefined, current: { roles: ['viewer'], groups: [] } }
  const reasons = ['created', 'taken_over', 'changed', 'rotated', 'healed', 'extended', 'denied'] as const
  for (const reason of reasons) report({ kind: 'written', reason, username: 'bob', version: 1, access })
  const keyIds = { former: 'k-old', current: 'k-new' }
  report({ kind: 'written', reason: 'rekeyed', username: 'bob', version: 1, access, keyIds })
  const error = new GatewayError('elasticsearch_unavailable', 'down')
  report({ kind: 'denial_failed', username: 'bob', error })
  report({ kind: 'revalidation_failed', username: 'bob', error })
  report({ kind: 'denial_dropped', username: 'bob' })
  const actions = [...reasons, 'rekeyed'].map((reason) => `user_${reason}`)
  assert.deepEqual(
    lines.map((line) => line['event.action']),
    [...actions, 'denial_failed', 'revalidation_failed', 'user_denial_dropped'],
  )
  for (const line of lines) {
    const row = eventTable[line['event.action'] as EventAction]
    assert.deepEqual([line['user.name'], line['log.level'], line['event.outcome']], ['bob', row.level, row.outcome])
  }
})
