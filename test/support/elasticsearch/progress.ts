const lineEvery = 10_000_000

/** Shows bytes done out of `total` on stderr: one line rewritten in place on a terminal, else a line every 10 MB. */
export function showProgress(label: string, total: number): { add(bytes: number): void; end(): void } {
  const { stderr } = process
  let done = 0
  let shown = 0
  const text = () => `${label}: ${(done / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`
  if (total > 0 && !stderr.isTTY) stderr.write(`${text()}\n`)
  return {
    add(bytes) {
      done += bytes
      if (stderr.isTTY) stderr.write(`\r${text()}\x1b[K`)
      else if (done - shown >= lineEvery) {
        shown = done
        stderr.write(`${text()}\n`)
      }
    },
    end() {
      if (total === 0) return
      stderr.write(stderr.isTTY ? '\n' : `${text()}\n`)
    },
  }
}
