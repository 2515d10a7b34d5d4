/**
 * Run with `--import`, and then SIGUSR2: the monotonic clock of the process jumps seven hours ahead, which it confirms with a line on
 * standard output.
 */
let hours = 0
const monotonicNow = performance.now.bind(performance)
performance.now = () => monotonicNow() + hours * 3_600_000
process.on('SIGUSR2', () => {
  hours += 7
  console.log(JSON.stringify({ message: `${hours} hours later` }))
})
