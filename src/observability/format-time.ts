let formattedSecond = Number.NaN
let start = ''

/**
 * A time as ISO 8601 with milliseconds, in UTC. The date and time are formatted only when the second changes.
 * @param now milliseconds since 1970
 */
export function formatTime(now: number): string {
  const milliseconds = now % 1000
  if (now - milliseconds !== formattedSecond) {
    formattedSecond = now - milliseconds
    start = new Date(now).toISOString().slice(0, -'123Z'.length)
  }
  return `${start}${String(milliseconds + 1000).slice(1)}Z`
}
