/**
 * For `node --import`: `elastauth health` waits an hour for a response instead of three seconds (`timeoutMs` in src/cli/health.ts), so that
 * a busy machine does not fail the test.
 */
const { setTimeout } = globalThis
globalThis.setTimeout = ((callback: () => void, milliseconds: number) =>
  setTimeout(callback, milliseconds === 3000 ? 3_600_000 : milliseconds)) as typeof setTimeout

export {}
