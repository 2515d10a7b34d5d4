import { createMemorySharedStore } from '../../../support/memory-shared-store.ts'
import { testSharedStore } from '../../../support/shared-store-contract.ts'

testSharedStore(() => {
  let now = 0
  const store = createMemorySharedStore(() => now)
  const heard: string[] = []
  store.onChange((username, id) => heard.push(`${username} ${id}`))
  const pass = async (milliseconds: number) => {
    now += milliseconds
  }
  return { store, heard: async () => heard, pass }
})
