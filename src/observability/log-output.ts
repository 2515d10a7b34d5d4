import { constants, fstatSync, openSync, write as writeToFile } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { isatty } from 'node:tty'
import { promisify } from 'node:util'

export type LogOutput = Readonly<{
  write: (line: string) => void
  /** Resolves when all lines are written, or after a second. */
  close: () => Promise<void>
}>

/** Waiting lines beyond this many characters are dropped: a log nobody reads must not eat the memory. */
const maxWaiting = 16 * 1024 * 1024
const lastWait = 1000
const busyPause = 5
const faultPause = 1000

/**
 * Standard output for a log. A reader that stalls or goes, or a disk that is full, costs lines and nothing else: no
 * write is waited for, and none can block a thread, which would keep even `process.exit` waiting.
 * @param onLost told how many lines were dropped, once it flows again
 */
export function openLogOutput(onLost: (lines: number) => void = () => {}): LogOutput {
  const write = openStandardOutput()
  let waiting = ''
  let underWay = 0
  let lost = 0
  let writing: Promise<void> | undefined

  async function writeWaiting(): Promise<void> {
    await nextTurn() // what is logged in one turn is one write
    while (waiting !== '') {
      const chunk = waiting
      underWay = chunk.length
      waiting = ''
      await write(chunk)
      underWay = 0
      if (lost === 0 || waiting.length > maxWaiting / 2) continue
      const lines = lost
      lost = 0
      onLost(lines)
    }
    writing = undefined
  }

  return Object.freeze({
    write(line: string) {
      if (underWay + waiting.length + line.length > maxWaiting) {
        lost++
        return
      }
      waiting += line
      writing ??= writeWaiting()
    },
    async close() {
      await Promise.race([writing, sleep(lastWait)])
    },
  })
}

type Write = (text: string) => Promise<void>

/** Node makes pipes and sockets non-blocking, and waits for them; files are no trouble; terminals (Ctrl-S!) are. */
function openStandardOutput(): Write {
  const kind = fstatSync(1)
  if (!kind.isFIFO() && !kind.isSocket()) return createFileWrite(isatty(1) ? openTerminal() : 1)
  const { stdout } = process
  stdout.on('error', () => {}) // the reader is gone, and does not come back
  return (text) => new Promise((resolve) => stdout.write(text, () => resolve()))
}

/** Our own opening of it: non-blocking for us, and not for the shell that shares the other. */
function openTerminal(): number {
  try {
    return openSync('/dev/stdout', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return 1
  }
}

/** Tries until it is written: a disk may have room again. */
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
        await sleep(isBusy ? busyPause : faultPause, undefined, { ref: false })
      }
    }
  }
}
