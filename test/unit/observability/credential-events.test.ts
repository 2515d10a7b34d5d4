import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CredentialEvent } from '../../../src/auth/credentials/options.ts'
import { createCredentialReporter } from '../../../src/observability/credential-events.ts'
import type { Logger } from '../../../src/observability/log.ts'

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
