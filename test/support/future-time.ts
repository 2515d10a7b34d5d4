/** For `node --import`: a process whose clock is ahead of the others' by TEST_CLOCK_AHEAD milliseconds. */
const ahead = Number(process.env.TEST_CLOCK_AHEAD ?? 0)
const now = Date.now
Date.now = () => now() + ahead

export {}
