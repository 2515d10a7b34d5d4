/** For `node --import`: sets the wall clock of the process ahead by TEST_CLOCK_AHEAD milliseconds. */
const aheadMs = Number(process.env.TEST_CLOCK_AHEAD ?? 0)
const now = Date.now
Date.now = () => now() + aheadMs

export {}
