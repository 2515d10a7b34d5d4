import { createMemorySharedStore } from '../../../support/memory-shared-store.ts'
import { testSharedStore } from './shared-store-contract.ts'

testSharedStore(() => {
  let now = 0
  const store = createMemorySharedStore(() => now)
  const notifications: string[] = []
  store.onChange((username, stateId) => notifications.push(`${username} ${stateId}`))
  const pass = async (milliseconds: number) => {
    now += milliseconds
  }
  return { store, notifications: async () => notifications, pass }
})
