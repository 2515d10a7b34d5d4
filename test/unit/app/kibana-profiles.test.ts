import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { createProfileActivation } from '../../../src/app/kibana-profiles.ts'
import type { WriteReason } from '../../../src/auth/credentials/lifecycle.ts'
import type { CredentialEvent } from '../../../src/auth/credentials/options.ts'
import { createKeyring } from '../../../src/auth/credentials/password.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import type { Logger } from '../../../src/observability/log.ts'

const keys = createKeyring(['0123456789abcdef'.repeat(4)])
const state = { created: '2026-11-01', version: 7, key_id: keys.currentId, issued_at: 1, fingerprint: 'f' }
const stored = { reserved: false, enabled: true, roles: [], metadata: { elastauth: state } }
const written = (username: string, reason: WriteReason): CredentialEvent => ({
  ...{ kind: 'written', reason, username, version: 7 },
  access: { former: undefined, current: { roles: [], groups: [] } },
})

function createBed(activate: (username: string, password: string) => Promise<void>) {
  const lines: unknown[] = []
  const log = { warn: (...line: unknown[]) => void lines.push(line) } as unknown as Logger
  const note = createProfileActivation({ get: async () => stored, keys, activate, log })
  return { note, lines }
}

async function runQueued(): Promise<void> {
  for (let i = 0; i < 20; i++) await yieldToLoop()
}

describe('the activation of Kibana profiles', () => {
  test('a profile is activated with the stored password after a user is created, taken over, changed or enabled, and after no other write', async () => {
    const activated: string[][] = []
    const { note } = createBed(async (...args) => void activated.push(args))
    const reasons = [
      'created',
      'taken_over',
      'changed',
      'enabled',
      'rotated',
      'extended',
      'healed',
      'denied',
      'rekeyed',
    ] as const
    for (const reason of reasons) note(written(reason, reason))
    await runQueued()
    const names = ['created', 'taken_over', 'changed', 'enabled']
    assert.deepEqual(
      activated,
      names.map((name) => [name, keys.password(keys.currentId, name, '2026-11-01', 7)]),
    )
  })

  test('at most two activations run at a time, and further users wait, up to 1,000', async () => {
    const release = Promise.withResolvers<void>()
    const activated: string[] = []
    const { note } = createBed(async (username) => {
      activated.push(username)
      await release.promise
    })
    for (let i = 0; i < 1500; i++) note(written(`user-${i}`, 'created'))
    await runQueued()
    assert.equal(activated.length, 2)
    release.resolve()
    while (activated.length < 1002) await yieldToLoop()
    await runQueued()
    assert.equal(activated.length, 1002)
  })

  test('failures are logged once until an activation succeeds, and throw nothing', async () => {
    let fails = true
    const { note, lines } = createBed(async () => {
      if (fails) throw new GatewayError('elasticsearch_rejected', 'no')
    })
    for (const name of ['a', 'b', 'c']) note(written(name, 'created'))
    await runQueued()
    assert.equal(lines.length, 1)
    assert.match(JSON.stringify(lines), /cannot activate the Kibana profile: no/)
    fails = false
    note(written('d', 'created'))
    await runQueued()
    fails = true
    note(written('e', 'created'))
    await runQueued()
    assert.equal(lines.length, 2)
  })
})
