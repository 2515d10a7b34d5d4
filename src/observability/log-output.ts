import { constants, fstatSync, openSync, write as writeToFile } from 'node:fs'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { isatty } from 'node:tty'
import { promisify } from 'node:util'

export type LogOutput = Readonly<{
  write: (line: string) => void
  /** The number of lines that were dropped since the start. */
  lostLines: () => number
  /** Resolves when all lines are written, or after a second. */
  close: () => Promise<void>
}>

/**
 * The maximum number of buffered characters. Further lines are dropped, so that a stalled reader cannot exhaust the
 * memory.
 */
const maxBuffered = 16 * 1024 * 1024
const closeTimeoutMs = 1000
const busyRetryMs = 5
const faultRetryMs = 1000

/**
 * Standard output for a log. If its reader stalls or exits, or the disk is full, lines are lost, but nothing else is
 * affected. Callers do not wait for writes, and a write cannot block a thread, which would block even `process.exit`.
 * @param onLost called with the number of dropped lines when writing succeeds again
 */
export function openLogOutput(onLost: (lines: number) => void = () => {}): LogOutput {
  const write = openStandardOutput()
  let buffered = ''
  let inFlight = 0
  let lost = 0
  let reported = 0
  let writing: Promise<void> | undefined

  async function writeBuffered(): Promise<void> {
    await setImmediate() // so that all lines logged in one turn of the event loop become one write
    while (buffered !== '') {
      const chunk = buffered
      inFlight = chunk.length
      buffered = ''
      await write(chunk)
      inFlight = 0
      if (lost === reported || buffered.length > maxBuffered / 2) continue
      const lines = lost - reported
      reported = lost
      onLost(lines)
    }
    writing = undefined
  }

  return Object.freeze({
    write(line: string) {
      if (inFlight + buffered.length + line.length > maxBuffered) {
        lost++
        return
      }
      buffered += line
      writing ??= writeBuffered()
    },
    lostLines: () => lost,
    async close() {
      await Promise.race([writing, sleep(closeTimeoutMs)])
    },
  })
}

type Write = (text: string) => Promise<void>

/**
 * Opens standard output for writes that do not block. Node already writes to pipes and sockets without blocking, and
 * files do not block for long, but a terminal can block indefinitely (Ctrl-S).
 */
function openStandardOutput(): Write {
  const kind = fstatSync(1)
  if (!kind.isFIFO() && !kind.isSocket()) return createFileWrite(isatty(1) ? openTerminal() : 1)
  const { stdout } = process
  stdout.on('error', () => {}) // the reader has exited
  return (text) => new Promise((resolve) => stdout.write(text, () => resolve()))
}

/**
 * Opens the terminal again as non-blocking. The inherited descriptor must stay blocking, because the shell shares it.
 */
function openTerminal(): number {
  try {
    return openSync('/dev/stdout', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return 1
  }
}

/** Retries until the text is written: a full disk may have room again. */
function createFileWrite(file: number): Write {
  const write = promisify(writeToFile)
  return async (text) => {
    let rest = Buffer.from(text)
    while (rest.length > 0) {
      try {
        const { bytesWritten } = await write(file, rest)
        rest = rest.subarray(bytesWritten)
      } catch (error) {
        const isBusy = (error as NodeJS.ErrnoException).code === 'EAGAIN'
        await sleep(isBusy ? busyRetryMs : faultRetryMs, undefined, { ref: false })
      }
    }
  }
}
