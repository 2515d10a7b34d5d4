import { describe } from 'node:test'
import { createMemorySessionStore } from '../../../src/sessions/memory-store.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { testSessionStore } from './session-store-contract.ts'

describe('the session store in memory', () => {
  testSessionStore(async () => {
    const clock = createFakeClock(1_790_000_000_000)
    return { store: createMemorySessionStore(100, clock.now), advance: clock.advance, receivedEvents: undefined }
  })
})
