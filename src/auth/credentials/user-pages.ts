import type { NamedUser, SweepDirectory } from './user-directory.ts'

/** Users per page. Small pages follow a failure: a page with many groups can exceed the limit for responses. */
const [pageSize, smallPageSize] = [100, 10]

/** All users of Elasticsearch, page by page, sorted by name. Rejects as `page`, if that fails for a small page too. */
export async function* userPages(page: SweepDirectory['page']): AsyncGenerator<readonly NamedUser[]> {
  let after: string | undefined
  let size = pageSize
  for (;;) {
    const users = await page(after, size).catch((error) => {
      if (size === smallPageSize) throw error
      return undefined
    })
    if (users === undefined) {
      size = smallPageSize
      continue
    }
    yield users
    if (users.length < size) return
    after = users.at(-1)!.username
  }
}
