import type { IncomingMessage, ServerResponse } from 'node:http'

/** A longer first chunk is written at once, as it is: copying it would cost more than a second write. */
const maxCombinedBytes = 16 * 1024

/**
 * Writes a response in as few system calls as possible, since they are most of the cost of a small request. The head waits for
 * the first chunk and that one for the end, but only until the data that has arrived is processed, so nothing is delayed.
 */
export class ResponseWriter {
  readonly #response: ServerResponse
  #firstChunk: Buffer | undefined
  #isFlushed = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  /** @param reason `''` for the standard reason phrase */
  writeHead(status: number, reason: string, headers: string[]): void {
    if (reason === '') this.#response.writeHead(status, headers)
    else this.#response.writeHead(status, reason, headers)
    process.nextTick(flush, this)
  }

  flush(): void {
    const response = this.#response
    if (this.#isFlushed || response.writableEnded || response.destroyed) return
    this.#isFlushed = true
    if (this.#firstChunk === undefined) response.flushHeaders()
    else response.write(this.#firstChunk)
    this.#firstChunk = undefined
  }

  /** @returns false if the client must read before more is written */
  write(chunk: Buffer): boolean {
    if (!this.#isFlushed && this.#firstChunk === undefined && chunk.length <= maxCombinedBytes) {
      this.#firstChunk = chunk
      return true
    }
    if (this.#firstChunk !== undefined) this.flush()
    this.#isFlushed = true
    return this.#response.destroyed || this.#response.write(chunk)
  }

  /** Node writes a string together with the head. Latin-1 preserves every byte. */
  end(): void {
    if (this.#firstChunk === undefined) this.#response.end()
    else this.#response.end(this.#firstChunk.toString('latin1'), 'latin1')
  }
}

function flush(writer: ResponseWriter): void {
  writer.flush()
}

/**
 * Forwards an informational response (1xx; RFC 9110, section 15.2). Dropped for HTTP/1.0, which has none, and in older releases
 * of Node, which cannot send all of them. Also dropped if the client does not read: an upstream may send any number of them, and
 * there is no back-pressure for them.
 */
export function sendInformational(
  { httpVersion }: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: string[],
): void {
  if (httpVersion === '1.0' || response.headersSent || response.destroyed) return
  if (response.writableLength >= response.writableHighWaterMark) return
  if (typeof response.writeInformation === 'function') response.writeInformation(status, headers)
}
