import { createMemorySharedStore } from '../../support/memory-shared-store.ts'
import { testSharedStore } from '../../support/shared-store-contract.ts'

testSharedStore(() => {
  const store = createMemorySharedStore(() => 0)
  const heard: string[] = []
  store.onChange((username, id) => heard.push(`${username} ${id}`))
  return { store, heard: async () => heard }
})
