import { asGatewayError } from '../http/errors.ts'
import type { createLoginReporter } from '../observability/login-events.ts'
import type { LoginMetrics } from '../observability/metrics/metrics.ts'
import type { RequestRefresh } from '../sessions/refresh.ts'

export type LoginEvents = ReturnType<typeof createLoginReporter>

/** Counts the sign-ins and sign-outs that are logged. @param metrics undefined if metrics are disabled */
export function countLoginEvents(events: LoginEvents, metrics: LoginMetrics | undefined): LoginEvents {
  if (metrics === undefined) return events
  return Object.freeze<LoginEvents>({
    ...events,
    signedIn(...event) {
      metrics.signedIn('success')
      return events.signedIn(...event)
    },
    signedOut(...event) {
      metrics.sessionsEnded('user', 1)
      events.signedOut(...event)
    },
    endedByUser(count, ...event) {
      metrics.sessionsEnded('user', count)
      events.endedByUser(count, ...event)
    },
    endedByAdministrator(count, ...event) {
      metrics.sessionsEnded('administrator', count)
      events.endedByAdministrator(count, ...event)
    },
    signedOutAtProvider(count, ...event) {
      metrics.sessionsEnded('provider', count)
      events.signedOutAtProvider(count, ...event)
    },
  })
}

/** Counts the sign-ins that fail when the provider has sent the user back. */
export function countFailedSignIns<Arguments extends unknown[], Result>(
  callback: (...args: Arguments) => Promise<Result>,
  metrics: LoginMetrics | undefined,
): (...args: Arguments) => Promise<Result> {
  if (metrics === undefined) return callback
  return (...args) =>
    callback(...args).catch((error) => {
      metrics.signedIn(asGatewayError(error).code === 'login_denied' ? 'denied' : 'failure')
      throw error
    })
}

export function countRefreshes(refresh: RequestRefresh, metrics: LoginMetrics | undefined): RequestRefresh {
  if (metrics === undefined) return refresh
  return async function countedRefresh(...args) {
    try {
      const granted = await refresh(...args)
      if (granted === 'rejected') metrics.sessionRefreshed('rejected')
      else metrics.sessionRefreshed('unconfirmed' in granted ? 'failure' : 'success')
      return granted
    } catch (error) {
      metrics.sessionRefreshed('failure')
      throw error
    }
  }
}
