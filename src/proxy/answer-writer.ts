import type { ServerResponse } from 'node:http'

export type AnswerWriter = Readonly<{
  /** @param reason `''` for the usual one */
  writeHead: (status: number, reason: string, headers: string[]) => void
  /** @returns false when the client takes no more for now */
  write: (piece: Buffer) => boolean
  end: () => void
}>

/** A first piece beyond this goes out at once, as it is: to copy it would cost more than a second write. In bytes. */
const small = 16 * 1024

/**
 * Writes an answer in as few system calls as it takes: they are most of what a small request costs. The head waits for
 * the first piece and that one for the end, but only while what has arrived is being read: what is late waits for nobody.
 */
export function createAnswerWriter(response: ServerResponse): AnswerWriter {
  let first: Buffer | undefined
  let isOut = false

  function writeHead(status: number, reason: string, headers: string[]): void {
    if (reason === '') response.writeHead(status, headers)
    else response.writeHead(status, reason, headers)
    process.nextTick(flush)
  }

  function flush(): void {
    if (isOut || response.writableEnded || response.destroyed) return
    isOut = true
    if (first === undefined) response.flushHeaders()
    else response.write(first)
    first = undefined
  }

  function write(piece: Buffer): boolean {
    if (!isOut && first === undefined && piece.length <= small) {
      first = piece
      return true
    }
    if (first !== undefined) flush()
    isOut = true
    return response.destroyed || response.write(piece)
  }

  /** As text, Node writes a piece together with the head; latin-1 leaves every byte as it is. */
  function end(): void {
    if (first === undefined) response.end()
    else response.end(first.toString('latin1'), 'latin1')
  }

  return { writeHead, write, end }
}
