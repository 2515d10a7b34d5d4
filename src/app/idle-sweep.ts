import { setTimeout as sleep } from 'node:timers/promises'
import { type IdleSweepOptions, type SweepEvent, sweepIdleUsers } from '../auth/credentials/idle-sweep.ts'
import { asGatewayError } from '../http/errors.ts'
import { logEvent } from '../observability/events.ts'
import type { Logger } from '../observability/log.ts'
import type { CredentialMetrics } from '../observability/metrics/metrics.ts'

export type IdleSweepDeps = Pick<
  IdleSweepOptions,
  'directory' | 'keys' | 'preparePassword' | 'rules' | 'lease' | 'retention'
> &
  Readonly<{ log: Logger; metrics: CredentialMetrics | undefined }>

/** Replaces the passwords of idle users in the background, until `stopped` is aborted. */
export function startIdleSweep({ log, metrics, ...options }: IdleSweepDeps, stopped: AbortSignal): void {
  void sweepIdleUsers(
    {
      ...options,
      now: Date.now,
      sleep: (milliseconds) => sleep(milliseconds, undefined, { signal: stopped, ref: false }).catch(() => {}),
      random: Math.random,
      report: createReportSweep(log, metrics),
    },
    stopped,
  )
}

function createReportSweep(log: Logger, metrics: IdleSweepDeps['metrics']): (event: SweepEvent) => void {
  return function reportSweep(event) {
    const { username } = event
    if (event.kind === 'password_ended') {
      metrics?.userWritten('idle')
      logEvent(
        log,
        'user_idle',
        { 'user.name': username },
        `user ${username}: idle; the password was replaced with one that is not issued`,
      )
      return
    }
    const { code, detail } = asGatewayError(event.error)
    if (event.kind === 'retention_failed') {
      logEvent(
        log,
        'retention_failed',
        { 'error.code': code, 'event.reason': code, 'user.name': event.username },
        `inactive user ${username} cannot be disabled or deleted: ${detail}`,
      )
      return
    }
    const what =
      username === undefined
        ? 'idle users could not be listed'
        : `the password of idle user ${username} could not be changed`
    const user = username !== undefined && { 'user.name': username }
    logEvent(log, 'idle_sweep_failed', { 'error.code': code, 'event.reason': code, ...user }, `${what}: ${detail}`)
  }
}
