/** For `node --import`: SIGUSR2 sets the process's wall clock back by an hour and prints a line. */
const now = Date.now
let behindMs = 0
Date.now = () => now() - behindMs
process.on('SIGUSR2', () => {
  behindMs = 3_600_000
  console.log('the clock was set back')
})

export {}
