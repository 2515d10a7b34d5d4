import { setTimeout as sleep } from 'node:timers/promises'
import { logEvent } from '../observability/events.ts'
import type { Logger } from '../observability/log.ts'
import {
  type AttemptLimits,
  type AttemptStore,
  createAttemptLimits,
  type LimitReached,
  unknownNetwork,
} from '../providers/attempt-limits.ts'

type Options = Readonly<{
  log: Logger
  /** The counters that replicas share; undefined if each has its own. */
  shared: AttemptStore | undefined
  /** Whether a name may be logged: one that no user has may be a password in the wrong field. */
  isUser: (username: string) => boolean
}>

/** Limits of failed attempts that are logged when they are reached. */
export function createReportedLimits({ log, shared, isUser }: Options): AttemptLimits {
  return createAttemptLimits({
    shared,
    onLimitReached: (reached) => report(log, reached, isUser),
    monotonicNow: () => performance.now(),
    sleep: (milliseconds) => sleep(milliseconds),
  })
}

function report(log: Logger, { reason, username, network }: LimitReached, isUser: Options['isUser']): void {
  const known = username !== undefined && isUser(username) ? username : undefined
  const address = network === unknownNetwork ? undefined : network.replace(/\/64$/, '')
  const fields = { 'event.reason': reason, 'user.name': known, 'client.ip': address }
  const user = known === undefined ? 'a user' : `user ${known}`
  const from = address === undefined ? 'clients of unknown address' : network
  logEvent(log, 'guessing_limited', fields, `${texts[reason](user, from)}, because too many sign-ins failed`)
}

const texts: Readonly<Record<LimitReached['reason'], (user: string, network: string) => string>> = {
  user_network: (user, network) => `${user} is blocked from ${network} for five minutes`,
  network: (_, network) => `${network}: further attempts are blocked for five minutes`,
  user: (user) => `attempts for ${user} from new networks are delayed`,
}
