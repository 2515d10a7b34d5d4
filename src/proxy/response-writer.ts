import type { IncomingMessage, ServerResponse } from 'node:http'

/** A longer first chunk is not combined with the headers: copying it would cost more than a second write. */
const maxCombinedBytes = 16 * 1024

/**
 * Writes a response in as few system calls as possible, because they dominate the cost of a small request. Headers and
 * first chunk are held back so that they can be sent with the end of the response, but only until the data that has
 * already arrived is processed.
 */
export class ResponseWriter {
  readonly #response: ServerResponse
  #firstChunk: Buffer | undefined
  #isFlushed = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  /** @param reason the reason phrase; `''` or one that Node rejects means the standard one */
  writeHead(status: number, reason: string, headers: string[]): void {
    if (reason === '' || !isValidReason(reason)) this.#response.writeHead(status, headers)
    else this.#response.writeHead(status, reason, headers)
    process.nextTick(flush, this)
  }

  flush(): void {
    const response = this.#response
    if (this.#isFlushed || response.writableEnded || response.destroyed) return
    this.#isFlushed = true
    // Node's `flushHeaders` would encode the head as UTF-8, and so change bytes above 0x7f (RFC 9110, section 5.5).
    if (this.#firstChunk === undefined) response.write('', 'latin1')
    else response.write(this.#firstChunk)
    this.#firstChunk = undefined
  }

  /** @returns false if the caller must wait for `drain` before it writes more */
  write(chunk: Buffer): boolean {
    if (!this.#isFlushed && this.#firstChunk === undefined && chunk.length <= maxCombinedBytes) {
      this.#firstChunk = chunk
      return true
    }
    if (this.#firstChunk !== undefined) this.flush()
    this.#isFlushed = true
    return this.#response.destroyed || this.#response.write(chunk)
  }

  /**
   * Ends the response. The chunk is passed as a string, because Node writes only strings together with the headers;
   * Latin-1 preserves every byte.
   */
  end(): void {
    if (this.#firstChunk === undefined) this.#response.end()
    else this.#response.end(this.#firstChunk.toString('latin1'), 'latin1')
  }
}

/**
 * Whether Node accepts this reason phrase. undici decodes it as UTF-8. An invalid one can be replaced, because clients
 * ignore it (RFC 9112, section 4).
 */
function isValidReason(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}

function flush(writer: ResponseWriter): void {
  writer.flush()
}

/**
 * Forwards an informational response (1xx; RFC 9110, section 15.2). It is dropped for HTTP/1.0 clients, and if the client
 * is not reading, because back-pressure does not limit how many informational responses an upstream sends.
 */
export function sendInformational(
  { httpVersion }: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: string[],
): void {
  if (httpVersion === '1.0' || response.headersSent || response.destroyed) return
  if (response.writableLength >= response.writableHighWaterMark) return
  response.writeInformation(status, headers)
}
