import { callElasticsearch, type Target } from './call-elasticsearch.ts'

const userCount = 12
/** The time in which an idle node on two cores writes and checks that many passwords. */
const baselineMs = 1500

/**
 * How many times slower than the baseline a node is at present, at least 1. Tests with credentials that live for a few seconds
 * multiply their times by it: on a busy machine where one write takes seconds, a credential would expire before it is returned.
 */
export async function measureSlowness(node: Target): Promise<number> {
  const stamp = Date.now().toString(36)
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: userCount }, (_, i) => writeAndAuthenticate(node, `pace-${stamp}-${i}`)))
  return Math.max(1, (performance.now() - startedAt) / baselineMs)
}

async function writeAndAuthenticate(node: Target, username: string): Promise<void> {
  const password = `password-of-${username}`
  await callElasticsearch(node, `/_security/user/${username}`, {
    method: 'PUT',
    body: { password, roles: [] },
    timeoutMs: 240_000,
  })
  await callElasticsearch(node, '/_security/_authenticate', { as: { username, password }, timeoutMs: 240_000 })
}
