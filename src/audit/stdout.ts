import { fstatSync, write } from 'node:fs'
import { promisify } from 'node:util'
import { createPipeWrite } from '../observability/log-output.ts'
import type { SealedRecord } from './chain.ts'
import type { Target } from './sink.ts'

const writeFile = promisify(write)

/** Writes to standard output, between the lines of the log. Each line stays whole. */
export function createStdoutTarget(): Target {
  const kind = fstatSync(1)
  const writeText = kind.isFIFO() || kind.isSocket() ? createPipeWrite(writeToPipe) : writeToFile
  let rest: Buffer | undefined
  let batch: readonly SealedRecord[] | undefined

  /** A failed write is continued. */
  async function writeToFile(text: string): Promise<void> {
    rest ??= Buffer.from(text)
    while (rest.length > 0) rest = rest.subarray((await writeFile(1, rest)).bytesWritten)
    rest = undefined
  }

  return Object.freeze({
    name: 'stdout' as const,
    intervalMs: 50,
    async write(records: readonly SealedRecord[]) {
      if (batch !== records) rest = undefined
      batch = records
      await writeText(records.map(({ line }) => line).join(''))
      return undefined
    },
    close() {},
  })
}

/** Rejects if the reader has exited. */
function writeToPipe(part: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => process.stdout.write(part, (error) => (error ? reject(error) : resolve())))
}
