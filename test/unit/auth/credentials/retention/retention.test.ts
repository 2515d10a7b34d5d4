import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CredentialEvent } from '../../../../../src/auth/credentials/options.ts'
import { createKeyring } from '../../../../../src/auth/credentials/password.ts'
import { createPasswordWriter } from '../../../../../src/auth/credentials/password-writer.ts'
import type { RetentionRules } from '../../../../../src/auth/credentials/retention/decide-retention.ts'
import { createRetention, type RetentionOptions } from '../../../../../src/auth/credentials/retention/retention.ts'
import { createSharedCache } from '../../../../../src/auth/credentials/shared-cache.ts'
import { noSharedStates, type SharedStates } from '../../../../../src/auth/credentials/shared-states.ts'
import { GatewayError } from '../../../../../src/http/errors.ts'
import { createFakeClock, type FakeClock } from '../../../../support/fake-clock.ts'
import { createMemoryDirectory, type MemoryDirectory } from '../../../../support/memory-directory.ts'
import { createMemorySharedStore, type MemorySharedStore } from '../../../../support/memory-shared-store.ts'
import fc from '../../../../support/property.ts'
import { createReplica, hour, key, noon, rules, runPendingTasks, subject } from '../fixture.ts'

const day = 24 * hour
const lockTtlMs = 100_000
const both: RetentionRules = { disableAfterMs: 12 * hour, deleteAfterMs: 90 * day, invalidateApiKeys: true }
const keys = createKeyring([key])
const bob = subject({ name: 'Bob', email: 'bob@example.com' })

function createBed() {
  const clock = createFakeClock(noon)
  const directory = createMemoryDirectory()
  return { clock, directory, store: createMemorySharedStore(clock.now) }
}

function shareStates(store: MemorySharedStore, clock: FakeClock): SharedStates {
  const { now, monotonicNow, sleep } = clock
  return createSharedCache({ store, keys, rules, lockTtlMs, now, monotonicNow, sleep })
}

function startRetention(directory: MemoryDirectory, clock: FakeClock, more: Partial<RetentionOptions> = {}) {
  const events: CredentialEvent[] = []
  const forgotten: string[] = []
  const retention = createRetention({
    directory,
    invalidateApiKeys: directory.invalidateApiKeys,
    keys,
    preparePassword: createPasswordWriter({ keys, sendsHash: () => false }),
    states: noSharedStates,
    rules,
    retention: both,
    now: clock.now,
    forget: (username) => void forgotten.push(username),
    report: (event) => void events.push(event),
    ...more,
  })
  /** As a sweep does: applies what is due for the listed user. */
  async function sweep(): Promise<string | undefined> {
    const listed = directory.users.get('bob')
    return listed && retention.dueFor(listed) && retention.apply('bob')
  }
  return { ...retention, sweep, events, forgotten }
}

describe('retention', () => {
  test('a user is disabled after disable_after, comes back with the next sign-in, and keeps name, groups and other metadata', async () => {
    const { clock, directory } = createBed()
    const { obtain, writes } = createReplica(directory, clock)
    await obtain(bob)
    const { metadata, ...created } = directory.users.get('bob')!
    directory.users.set('bob', { ...created, metadata: { ...metadata, team: 'blue' } })
    directory.apiKeys.set('bob', 3)
    const { sweep, events, forgotten } = startRetention(directory, clock)
    await clock.advance(13 * hour - 1)
    assert.equal(await sweep(), undefined)
    await clock.advance(1)
    assert.equal(await sweep(), 'disabled_idle')
    const { password: _, ...former } = created
    const { password, metadata: after, ...rest } = directory.users.get('bob')!
    assert.deepEqual(rest, { ...former, enabled: false })
    assert.equal(password, keys.password(keys.currentId, 'bob', '2026-11-23', 2))
    assert.deepEqual(after, {
      groups: ['staff'],
      team: 'blue',
      elastauth: { ...(metadata.elastauth as object), version: 2, disabled_idle: 2 },
    })
    assert.deepEqual(
      events.map((event) => (event.kind === 'written' ? event.reason : event.kind)),
      ['api_keys_invalidated', 'disabled_idle'],
    )
    assert.deepEqual(forgotten, ['bob'])
    assert.equal(await sweep(), undefined, 'nothing more is due')
    await clock.advance(30 * day)
    const authorization = await obtain(bob)
    assert.ok(directory.accepts(authorization))
    assert.deepEqual(writes(), ['created', 'enabled'])
    assert.equal('disabled_idle' in (directory.users.get('bob')!.metadata.elastauth as object), false)
    assert.equal(await sweep(), undefined)
  })

  test('a user is deleted after delete_after, whether disabled before or not, and is created at the next sign-in', async () => {
    for (const disableAfterMs of [12 * hour, undefined]) {
      const { clock, directory } = createBed()
      const { obtain } = createReplica(directory, clock)
      await obtain(bob)
      const { sweep, events, forgotten } = startRetention(directory, clock, { retention: { ...both, disableAfterMs } })
      await clock.advance(20 * day)
      await sweep()
      await clock.advance(70 * day + hour)
      directory.apiKeys.set('bob', 1)
      assert.equal(await sweep(), 'deleted')
      assert.deepEqual([directory.users.size, directory.apiKeys.size], [0, 0])
      assert.deepEqual(events.at(-1), { kind: 'deleted', username: 'bob' })
      assert.equal(forgotten.length, disableAfterMs === undefined ? 1 : 2, 'this process forgets the credential')
      assert.ok(directory.accepts(await obtain(bob)))
    }
  })

  test('API keys are kept without invalidate_api_keys', async () => {
    const { clock, directory } = createBed()
    await createReplica(directory, clock).obtain(bob)
    directory.apiKeys.set('bob', 3)
    const { sweep } = startRetention(directory, clock, { retention: { ...both, invalidateApiKeys: false } })
    for (const action of ['disabled_idle', 'deleted']) {
      await clock.advance(90 * day * Number(action === 'deleted') + 13 * hour)
      assert.equal(await sweep(), action)
      assert.equal(directory.apiKeys.get('bob'), 3)
    }
  })

  test('if an administrator enables a user whom user_retention disabled, and later disables the user, no sign-in enables the user', async () => {
    const { clock, directory } = createBed()
    const { obtain } = createReplica(directory, clock)
    await obtain(bob)
    const { sweep } = startRetention(directory, clock)
    await clock.advance(14 * hour)
    assert.equal(await sweep(), 'disabled_idle')
    setEnabled(directory, true)
    assert.equal(await sweep(), 'enabled')
    assert.equal(await sweep(), undefined, 'the user counts as used since')
    setEnabled(directory, false)
    await clock.advance(200 * day)
    assert.equal(await sweep(), undefined)
    await assert.rejects(obtain(bob), { code: 'user_disabled' })
    assert.equal(directory.users.get('bob')?.enabled, false)
  })

  for (const operation of ['invalidateApiKeys', 'get'] as const) {
    test(`a user who comes back before the last read is not disabled (at ${operation})`, async () => {
      const { clock, directory } = createBed()
      const { obtain } = createReplica(directory, clock)
      await obtain(bob)
      const { sweep } = startRetention(directory, clock)
      await clock.advance(14 * hour)
      let authorization = ''
      directory.hooks.before = async (called) => {
        if (called !== operation) return
        directory.hooks.before = undefined
        authorization = await obtain(bob)
      }
      assert.equal(await sweep(), undefined)
      assert.ok(directory.accepts(authorization))
    })
  }

  for (const operation of ['put', 'delete'] as const) {
    test(`a user whose sign-in is overtaken by the sweep's ${operation} gets a credential that works at the next check`, async () => {
      const { clock, directory } = createBed()
      const { obtain, reissue, obtainNow, writes } = createReplica(directory, clock)
      await obtain(bob)
      const { sweep } = startRetention(directory, clock)
      await clock.advance(operation === 'put' ? 14 * hour : 91 * day)
      let authorization = ''
      directory.hooks.before = async (called) => {
        if (called !== operation) return
        directory.hooks.before = undefined
        authorization = await obtain(bob)
      }
      await sweep()
      assert.equal(directory.accepts(authorization), false)
      const reissued = await reissue(bob, obtainNow(bob) as { authorization: string })
      assert.ok(directory.accepts(reissued!.authorization))
      assert.equal(writes().at(-1), operation === 'put' ? 'enabled' : 'created')
    })
  }

  test('with Redis, other replicas drop the credential of a user who is disabled or deleted, and no entry is left', async () => {
    const { clock, directory, store } = createBed()
    const replica = createReplica(directory, clock, { states: shareStates(store, clock) })
    store.onChange(replica.noteChange)
    await replica.obtain(bob)
    const { sweep } = startRetention(directory, clock, { states: shareStates(store, clock) })
    for (const action of ['disabled_idle', 'deleted']) {
      await clock.advance(91 * day * Number(action === 'deleted') + 13 * hour)
      assert.equal(await sweep(), action)
      await clock.advance(2)
      assert.equal(replica.cache.get('bob'), undefined)
      assert.deepEqual([...store.values()], [])
    }
  })

  test('with Redis, a user whom another replica is writing is left to the next sweep', async () => {
    const { clock, directory, store } = createBed()
    await createReplica(directory, clock).obtain(bob)
    const { sweep } = startRetention(directory, clock, { states: shareStates(store, clock) })
    for (const age of [14 * hour, 91 * day]) {
      await clock.advance(age)
      store.put('bob', '!other')
      const swept = sweep()
      await clock.advance(2 * lockTtlMs)
      assert.equal(await swept, undefined)
      assert.equal(directory.users.get('bob')?.enabled, true)
      store.clear()
    }
  })
})

test('with Redis, a user whose last read before the deletion fails is not deleted and not locked', async () => {
  const { clock, directory, store } = createBed()
  await createReplica(directory, clock).obtain(bob)
  const { sweep } = startRetention(directory, clock, { states: shareStates(store, clock) })
  await clock.advance(91 * day)
  let reads = 0
  directory.hooks.before = (operation) => {
    if (operation === 'get' && ++reads === 2) throw new GatewayError('elasticsearch_unavailable', 'no response')
  }
  await assert.rejects(sweep(), { code: 'elasticsearch_unavailable' })
  await clock.advance(2)
  assert.ok(directory.users.has('bob'))
  assert.deepEqual([...store.values()], [])
  assert.equal(await sweep(), 'deleted')
})

describe('retention that is killed at any step', () => {
  for (const [action, age, isShared] of [
    ['disabled_idle', 14 * hour, false],
    ['disabled_idle', 14 * hour, true],
    ['deleted', 91 * day, false],
    ['deleted', 91 * day, true],
  ] as const) {
    const where = isShared ? 'with Redis' : 'without Redis'
    test(`the next sweep finishes what a killed one began (${action}, ${where})`, async () => {
      let step = 0
      while (await isFinishedAfterKill(step, action, age, isShared)) step++
      assert.ok(step >= (isShared ? 14 : 8), `${step} steps`)
    })
  }

  /** @returns false after the last step */
  async function isFinishedAfterKill(step: number, action: string, age: number, isShared: boolean): Promise<boolean> {
    const { clock, directory, store } = createBed()
    const states = () => (isShared ? shareStates(store, clock) : noSharedStates)
    const { obtain } = createReplica(directory, clock)
    await obtain(bob)
    directory.apiKeys.set('bob', 2)
    await clock.advance(age)
    const kill = killAt(step, directory, store)
    void startRetention(directory, clock, { states: states() }).sweep()
    await runPendingTasks(clock)
    if (!kill.isDone()) return false
    kill.end()
    const isEnabled = directory.users.get('bob')?.enabled === true
    assert.ok(isEnabled || !directory.apiKeys.has('bob'), 'no valid keys of a user who is disabled or absent')
    await clock.advance(lockTtlMs)
    const { sweep } = startRetention(directory, clock, { states: states() })
    await sweep()
    assert.equal(directory.users.get('bob')?.enabled, action === 'deleted' ? undefined : false)
    assert.equal(directory.apiKeys.has('bob'), false)
    assert.equal(await sweep(), undefined)
    assert.ok(directory.accepts(await obtain(bob)), 'the person can come back')
    return true
  }
})

describe('retention among sign-ins, administrators and crashes', () => {
  const step = fc.oneof(
    fc.constantFrom('signIn', 'sweep', 'sweep', 'disable', 'enable', 'wait 2', 'wait 14', 'wait 1440'),
    fc.nat({ max: 15 }).map((call) => `crash ${call}`),
  )

  test('after any sequence of sign-ins, sweeps and crashes, active users stay enabled, and a sign-in enables all others except those whom an administrator disabled', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), fc.boolean(), async (sequence, isShared) => {
        const scenario = createScenario(isShared)
        for (const name of sequence) {
          const [kind = '', number = '0'] = name.split(' ')
          await scenario[kind as keyof typeof scenario](Number(number))
        }
      }),
      { numRuns: 300 },
    )
  })

  function createScenario(isShared: boolean) {
    const { clock, directory, store } = createBed()
    const states = isShared ? shareStates(store, clock) : noSharedStates
    const { obtain } = createReplica(directory, clock, { states })
    const stored = () => directory.users.get('bob')
    const hasMark = () => stored() !== undefined && 'disabled_idle' in (stored()!.metadata.elastauth as object)
    let usedAt = Number.NEGATIVE_INFINITY
    /** An administrator has disabled the user, and not one whom we had disabled before. */
    let isByAdministrator = false

    async function signIn(): Promise<void> {
      const now = clock.now()
      const result = obtain(bob).catch((error: { code: string }) => error.code)
      await clock.advance(5 * lockTtlMs)
      assert.equal(directory.accepts(await result), !isByAdministrator)
      if (!isByAdministrator) usedAt = now
    }

    function checkSweep(before: ReturnType<typeof stored>): void {
      const awayMs = clock.now() - usedAt
      const after = stored()
      if (before?.enabled && awayMs < 12 * hour) assert.equal(after?.enabled, true, 'a user in use')
      if (before && awayMs < 90 * day) assert.ok(after, 'a user who is not to be deleted')
      if (isByAdministrator) assert.equal(after?.enabled, false, 'a user whom an administrator disabled')
      if (before?.enabled === false) assert.notEqual(after?.enabled, true, 'a sweep does not enable')
    }

    async function crash(call: number): Promise<void> {
      const before = stored()
      const kill = killAt(call, directory, store)
      const swept = startRetention(directory, clock, { states }).sweep()
      await clock.advance(lockTtlMs)
      if (!kill.isDone()) await swept
      kill.end()
      checkSweep(before)
    }

    return {
      signIn,
      crash,
      sweep: () => crash(Number.POSITIVE_INFINITY),
      wait: (hours: number) => clock.advance(hours * hour),
      disable() {
        if (!stored()?.enabled) return
        isByAdministrator = !hasMark()
        setEnabled(directory, false)
      },
      enable() {
        if (stored()?.enabled !== false) return
        isByAdministrator = false
        setEnabled(directory, true)
      },
    }
  }
})

function setEnabled(directory: MemoryDirectory, enabled: boolean): void {
  directory.users.set('bob', { ...directory.users.get('bob')!, enabled })
}

/** From the given call on (counted before and after its work), nothing continues, as in a killed process. */
function killAt(step: number, directory: MemoryDirectory, store: MemorySharedStore) {
  let calls = 0
  const hook = () => (calls++ >= step ? new Promise<void>(() => {}) : undefined)
  directory.hooks.before = directory.hooks.after = store.hooks.before = store.hooks.after = hook
  return {
    isDone: () => calls > step,
    end() {
      directory.hooks.before = directory.hooks.after = store.hooks.before = store.hooks.after = undefined
    },
  }
}
