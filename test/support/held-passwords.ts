/**
 * For `node --import`: each argon2id hash of a password that begins with `held` waits until the process receives SIGUSR2. So a
 * test can fill the queue of passwords without depending on how long a hash takes.
 */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

const { argon2 } = crypto
const { promise: released, resolve } = Promise.withResolvers<void>()
process.on('SIGUSR2', () => resolve())

crypto.argon2 = (algorithm, parameters, callback) => {
  const run = () => argon2(algorithm, parameters, callback)
  if (String(parameters.message).startsWith('held')) void released.then(run)
  else run()
}
syncBuiltinESMExports()
