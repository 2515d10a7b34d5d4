import type { ServerResponse } from 'node:http'

/** A first piece beyond this goes out at once, as it is: to copy it would cost more than a second write. In bytes. */
const small = 16 * 1024

/**
 * Writes an answer in as few system calls as it takes: they are most of what a small request costs. The head waits for
 * the first piece and that one for the end, but only while what has arrived is being read: what is late waits for nobody.
 */
export class ResponseWriter {
  readonly #response: ServerResponse
  #first: Buffer | undefined
  #isOut = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  /** @param reason `''` for the usual one */
  writeHead(status: number, reason: string, headers: string[]): void {
    if (reason === '') this.#response.writeHead(status, headers)
    else this.#response.writeHead(status, reason, headers)
    process.nextTick(flush, this)
  }

  flush(): void {
    const response = this.#response
    if (this.#isOut || response.writableEnded || response.destroyed) return
    this.#isOut = true
    if (this.#first === undefined) response.flushHeaders()
    else response.write(this.#first)
    this.#first = undefined
  }

  /** @returns false when the client takes no more for now */
  write(piece: Buffer): boolean {
    if (!this.#isOut && this.#first === undefined && piece.length <= small) {
      this.#first = piece
      return true
    }
    if (this.#first !== undefined) this.flush()
    this.#isOut = true
    return this.#response.destroyed || this.#response.write(piece)
  }

  /** As text, Node writes a piece together with the head; latin-1 leaves every byte as it is. */
  end(): void {
    if (this.#first === undefined) this.#response.end()
    else this.#response.end(this.#first.toString('latin1'), 'latin1')
  }
}

function flush(writer: ResponseWriter): void {
  writer.flush()
}
