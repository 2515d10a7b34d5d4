/** The user of a tunnel. `authenticatedAt` as in `Subject`. */
export type TunnelUser = Readonly<{ username: string; authenticatedAt: number }>

export type UserTunnelsOptions = Readonly<{
  /**
   * Resolves to the time before which sign-ins of the user have ended, in milliseconds since 1970: 0 if none have, infinity if the
   * user is disabled or deleted.
   */
  readEnd: (username: string) => Promise<number>
  /** Users with tunnels are checked at this interval, because they may send no other request. */
  intervalMs: number
  onClosed: (username: string, count: number) => void
}>

/** The tunnels of each user, which outlive the request that authenticated the user. */
export type UserTunnels = Readonly<{
  /** @param close ends the tunnel @returns a function to call when the tunnel has ended */
  add: (user: TunnelUser, close: () => void) => () => void
  /** Closes the tunnels of a user whose access has ended. Does nothing for a user without tunnels. Never rejects. */
  check: (username: string) => Promise<void>
}>

/** Node.js runs longer timers at once. */
const maxTimerMs = 2 ** 31 - 1

/** The timer runs only while there are tunnels. Users are checked one after the other. */
export function createUserTunnels({ readEnd, intervalMs, onClosed }: UserTunnelsOptions): UserTunnels {
  const tunnels = new Map<string, Map<() => void, number>>()
  let timer: NodeJS.Timeout | undefined
  let isRunning = false

  function add({ username, authenticatedAt }: TunnelUser, close: () => void): () => void {
    const own = tunnels.get(username) ?? new Map<() => void, number>()
    tunnels.set(username, own.set(close, authenticatedAt))
    timer ??= setInterval(checkAll, Math.min(intervalMs, maxTimerMs)).unref()
    return () => {
      own.delete(close)
      if (own.size === 0 && tunnels.get(username) === own) tunnels.delete(username)
      if (tunnels.size > 0) return
      clearInterval(timer)
      timer = undefined
    }
  }

  async function checkAll(): Promise<void> {
    if (isRunning) return
    isRunning = true
    for (const username of [...tunnels.keys()]) await check(username)
    isRunning = false
  }

  async function check(username: string): Promise<void> {
    if (!tunnels.has(username)) return
    const end = await readEnd(username).catch(() => 0) // tried again after the interval
    const ended = [...(tunnels.get(username) ?? [])].filter(([, authenticatedAt]) => authenticatedAt < end)
    for (const [close] of ended) close()
    if (ended.length > 0) onClosed(username, ended.length)
  }

  return Object.freeze({ add, check })
}
