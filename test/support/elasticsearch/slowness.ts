import { callElasticsearch, type Target } from './call-elasticsearch.ts'

const users = 12
/** The time that an idle node on two cores needs to write and check that many passwords. */
const usualMs = 1500

/**
 * How many times slower than usual a node is at present, at least 1. Where credentials live a few seconds, a test
 * multiplies its times by it: on a machine so busy that one write takes seconds, a credential would expire before it is handed out.
 */
export async function measureSlowness(node: Target): Promise<number> {
  const stamp = Date.now().toString(36)
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: users }, (_, i) => writeAndShow(node, `pace-${stamp}-${i}`)))
  return Math.max(1, (performance.now() - startedAt) / usualMs)
}

async function writeAndShow(node: Target, username: string): Promise<void> {
  const password = `password-of-${username}`
  await callElasticsearch(node, `/_security/user/${username}`, {
    method: 'PUT',
    body: { password, roles: [] },
    timeoutMs: 240_000,
  })
  await callElasticsearch(node, '/_security/_authenticate', { as: { username, password }, timeoutMs: 240_000 })
}
