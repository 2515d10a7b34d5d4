import { type AttemptLimits, createAttemptLimits } from '../../src/providers/attempt-limits.ts'

/**
 * Attempt limits that delay guesses for the user `invented`, without end, from any network. The user `bob` has signed in from
 * 203.0.113.1, at another replica: a provider with these limits does not know the password.
 */
export async function createDelayedGuesses(monotonicNow: () => number): Promise<AttemptLimits> {
  const attempts = createAttemptLimits({
    shared: undefined,
    onLimitReached: () => {},
    monotonicNow,
    sleep: () => new Promise(() => {}),
  })
  await (await attempts.begin('bob', '203.0.113.1')).succeeded()
  for (let i = 0; i < 20; i++) await attempts.begin('invented', `198.51.100.${i}`)
  return attempts
}
