import { close, constants, fstat, open, read, write } from 'node:fs'
import { promisify } from 'node:util'
import type { SealedRecord } from './chain.ts'
import type { Target } from './sink.ts'

const openFile = promisify(open)
const closeDescriptor = promisify(close)
const readFile = promisify(read)
const writeFile = promisify(write)
const statFile = promisify(fstat)

const newline = 10
const flags =
  constants.O_WRONLY |
  constants.O_APPEND |
  constants.O_CREAT |
  constants.O_NOCTTY |
  // A pipe whose reader stalls must not block a thread, which would block even `process.exit`.
  constants.O_NONBLOCK

export type FileTarget = Target &
  Readonly<{
    /** Opens the path again, after the file was renamed. */
    reopen: () => void
  }>

/** Appends to a file that only its owner may read. It is created again if it is deleted. Rejects if it cannot be opened. */
export async function openFileTarget(path: string): Promise<FileTarget> {
  let file: number | undefined = await openFile(path, flags, 0o600).catch(ignorePipeWithoutReader)
  let hasCutOffLine = await endsWithoutNewline(path)
  let isWriting = false
  let isRenamed = false
  /** The records in progress: several writes may be needed. */
  let batch: readonly SealedRecord[] | undefined
  let bytes: Buffer = Buffer.alloc(0)
  let position = 0

  /** @param nextPosition in `bytes`, of the first byte to write to the next file */
  function closeFile(nextPosition: number): void {
    if (file !== undefined) close(file, () => {})
    file = undefined
    isRenamed = false
    position = nextPosition
  }

  /** In `bytes`: the beginning of the record that is written next, or that is written in part. */
  function startOfRecord(): number {
    return bytes.subarray(0, position).lastIndexOf(newline) + 1
  }

  async function writeAll(): Promise<void> {
    // The next file gets the record in progress as a whole.
    if (isRenamed) closeFile(startOfRecord())
    if (file !== undefined && (await statFile(file)).nlink === 0) closeFile(0)
    file ??= await openFile(path, flags, 0o600)
    while (position < bytes.length) position += (await writeFile(file, bytes, position)).bytesWritten
  }

  return Object.freeze({
    name: 'file' as const,
    intervalMs: 50,
    async write(records: readonly SealedRecord[]) {
      if (batch !== records) {
        batch = records
        bytes = Buffer.from(`${hasCutOffLine ? '\n' : ''}${records.map(({ line }) => line).join('')}`)
        position = 0
        hasCutOffLine = false
      }
      isWriting = true
      try {
        await writeAll()
      } finally {
        isWriting = false
      }
      return undefined
    },
    reopen() {
      isRenamed = true
      if (!isWriting) closeFile(startOfRecord())
    },
    close() {
      if (!isWriting) closeFile(0)
    },
  })
}

/** Why the file cannot be opened, and what to do. */
export function explainFileError(error: unknown): Readonly<{ problem: string; fix: string }> {
  const { code = '', message } = error as NodeJS.ErrnoException
  return { problem: `cannot be opened (${message})`, fix: fixes[code] ?? otherFix }
}

const otherFix = 'set audit.path to a file that elastauth may append to'
const fixes: Readonly<Record<string, string>> = {
  ENOENT: 'create the directory of the file',
  EACCES: 'let the user of this process read and write the file, and write to its directory',
  EROFS: 'set audit.path to a file on a writable file system, such as a volume',
}

/** A pipe that nothing reads yet: writes open it later. */
function ignorePipeWithoutReader(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENXIO') throw error
}

/** Whether a process was killed while it wrote the last line. */
async function endsWithoutNewline(path: string): Promise<boolean> {
  const file = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  try {
    const stats = await statFile(file)
    if (!stats.isFile() || stats.size === 0) return false
    const { buffer } = await readFile(file, Buffer.alloc(1), 0, 1, stats.size - 1)
    return buffer[0] !== newline
  } finally {
    // Awaited, because until this descriptor is closed, a pipe without a reader has one.
    await closeDescriptor(file)
  }
}
