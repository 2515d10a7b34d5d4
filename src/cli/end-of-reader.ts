/**
 * The reader of a pipe may end early, as `head` does. By default the command continues, because it has effects or its exit code
 * says what it found.
 */
export function handleEndOfReader(onEnd = () => {}): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    onEnd()
  })
}
