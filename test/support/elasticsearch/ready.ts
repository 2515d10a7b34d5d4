import { callElasticsearch, type Target } from './call-elasticsearch.ts'

/** Waits until `elastic` can log in, which is once `.security` is active, and returns the version. */
export async function awaitLogin(node: Target, timeoutMs: number): Promise<string> {
  const end = Date.now() + timeoutMs
  for (;;) {
    let seen: string
    try {
      const login = await callElasticsearch(node, '/_security/_authenticate', { timeoutMs: 5000 })
      const banner = login.status === 200 ? await callElasticsearch(node, '/') : login
      if (banner.status === 200) return banner.body.version.number
      seen = `status ${banner.status}`
    } catch (error) {
      seen = (error as NodeJS.ErrnoException).code ?? String(error)
    }
    if (Date.now() > end) throw new Error(`${new URL(node.url).origin}: ${node.username} cannot log in: ${seen}`)
    await new Promise((wake) => setTimeout(wake, 250))
  }
}
