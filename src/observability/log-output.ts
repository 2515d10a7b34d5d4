import { constants, fstatSync, openSync, write as writeToFile } from 'node:fs'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { isatty } from 'node:tty'
import { promisify } from 'node:util'
import { boundLine } from './bound-line.ts'

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
/**
 * The maximum size of an atomic write to a pipe, which is never partial or interleaved with the writes of other processes
 * (PIPE_BUF of Linux; pipe(7)).
 */
const maxAtomicBytes = 4096
const closeTimeoutMs = 1000
/**
 * The minimum time between two writes. A write costs as much as handling a request, so the lines of several requests
 * share one.
 */
const writeIntervalMs = 10
const busyRetryMs = 5
const faultRetryMs = 1000

/**
 * Standard output for a log. If its reader stalls or exits, or the disk is full, lines are lost, but nothing else is
 * affected. Callers do not wait for writes, and a write cannot block a thread, which would block even `process.exit`.
 * Other processes may write to the same pipe or file: each line stays whole.
 * @param onLost called with the number of dropped lines when writing succeeds again
 */
export function openLogOutput(onLost: (lines: number) => void = () => {}): LogOutput {
  const { write, maxLineBytes } = openStandardOutput()
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
      if (lost > reported && buffered.length <= maxBuffered / 2) reportLost()
      await sleep(writeIntervalMs)
    }
    writing = undefined
  }

  function reportLost(): void {
    const lines = lost - reported
    reported = lost
    onLost(lines)
  }

  return Object.freeze({
    write(text: string) {
      const line = boundLine(text, maxLineBytes)
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

export type Write = (text: string) => Promise<void>
type StandardOutput = Readonly<{ write: Write; maxLineBytes: number }>

/**
 * Opens standard output for writes that do not block. Node already writes to pipes and sockets without blocking, and
 * files do not block for long, but a terminal can block indefinitely (Ctrl-S).
 */
function openStandardOutput(): StandardOutput {
  const kind = fstatSync(1)
  if (!kind.isFIFO() && !kind.isSocket())
    return { write: createFileWrite(isatty(1) ? openTerminal() : 1), maxLineBytes: Number.POSITIVE_INFINITY }
  const { stdout } = process
  stdout.on('error', () => {}) // the reader has exited
  const writePart = (part: string | Buffer) => new Promise<void>((resolve) => stdout.write(part, () => resolve()))
  return { write: createPipeWrite(writePart), maxLineBytes: maxAtomicBytes }
}

/** Writes whole lines at a time. The next write waits for the previous one: Node would join them to a larger one. */
export function createPipeWrite(writePart: (part: string | Buffer) => Promise<void>): Write {
  return async (text) => {
    if (Buffer.byteLength(text) <= maxAtomicBytes) return writePart(text)
    const bytes = Buffer.from(text)
    for (let start = 0; start < bytes.length; ) {
      const end = endOfLines(bytes, start)
      await writePart(bytes.subarray(start, end))
      start = end
    }
  }
}

/** The end of as many whole lines as fit in an atomic write; of one line if it does not fit. */
function endOfLines(bytes: Buffer, start: number): number {
  if (bytes.length - start <= maxAtomicBytes) return bytes.length
  const last = bytes.lastIndexOf(newline, start + maxAtomicBytes - 1)
  const next = last >= start ? last : bytes.indexOf(newline, start)
  return next === -1 ? bytes.length : next + 1
}

const newline = 10

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
