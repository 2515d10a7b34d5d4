import type { Adapter, AdapterPayload } from 'oidc-provider'

/** The provider's storage, in memory. Clients come from `findClient` instead. */
export function createAdapter(findClient: (id: string) => AdapterPayload | undefined): (model: string) => Adapter {
  const stored = new Map<string, AdapterPayload>()

  return function adapt(model: string): Adapter {
    const keyOf = (id: string) => `${model}:${id}`
    const findBy = async (name: 'uid' | 'userCode', value: string) =>
      stored.entries().find(([key, payload]) => key.startsWith(keyOf('')) && payload[name] === value)?.[1]
    return {
      find: async (id) => (model === 'Client' ? findClient(id) : stored.get(keyOf(id))),
      findByUid: (uid) => findBy('uid', uid),
      findByUserCode: (code) => findBy('userCode', code),
      // The provider checks the expiry in the payload itself.
      upsert: async (id, payload) => void stored.set(keyOf(id), payload),
      destroy: async (id) => void stored.delete(keyOf(id)),
      async consume(id) {
        const payload = stored.get(keyOf(id))
        if (payload) payload.consumed = Math.floor(Date.now() / 1000)
      },
      async revokeByGrantId(grantId) {
        for (const [key, payload] of stored) if (payload.grantId === grantId) stored.delete(key)
      },
    }
  }
}
