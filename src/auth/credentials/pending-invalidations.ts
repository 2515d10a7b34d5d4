/** More users than these are not remembered. */
const maxDebts = 10_000
/** So many are marked at once: more would keep requests waiting that come in the meantime. */
const atOnce = 16

/** Users whose entries could not be marked when Redis was out of reach, to be marked once it is back. */
export function createPendingInvalidations(mark: (username: string) => Promise<void>) {
  const debts = new Map<string, symbol>()
  let isPaying = false

  /** Marks a few at a time until all are, or one cannot be. Never rejects. */
  async function pay(): Promise<void> {
    if (isPaying) return
    isPaying = true
    try {
      while (debts.size > 0) await Promise.all(debts.entries().take(atOnce).toArray().map(payOne))
    } catch {
      // Redis is gone again: what is left is paid when it is back.
    }
    isPaying = false
  }

  async function payOne([username, debt]: readonly [string, symbol]): Promise<void> {
    debts.delete(username)
    debts.set(username, debt) // to the end, so that one that can never be paid holds nobody up
    await mark(username)
    if (debts.get(username) === debt) debts.delete(username) // else it was made anew in the meantime
  }

  return Object.freeze({
    /** True until the mark stands: what was read before then counts for nothing. */
    has: (username: string) => debts.has(username),
    add(username: string): void {
      if (debts.size < maxDebts || debts.has(username)) debts.set(username, Symbol('debt'))
    },
    pay,
  })
}
