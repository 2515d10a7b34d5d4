/**
 * For `node --import`: when elastauth ends, it has an hour instead of a second to write the last lines of its log, so that a test
 * does not depend on how fast it reads them.
 */
import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers/promises'

const { setTimeout: sleep } = timers
timers.setTimeout = ((milliseconds, ...more) =>
  sleep(milliseconds === 1000 ? 3_600_000 : milliseconds, ...more)) as typeof sleep
syncBuiltinESMExports()
