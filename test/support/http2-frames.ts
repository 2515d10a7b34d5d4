import { once } from 'node:events'
import { connect } from 'node:tls'
import { createSignal } from './wait.ts'

export const frameTypes = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export type Frame = Readonly<{ type: number; flags: number; stream: number; payload: Buffer }>

export type FrameConnection = Readonly<{
  /** Resolves when the socket's buffer has room again, or the connection has closed. */
  send: (...frames: Buffer[]) => Promise<void>
  /** All frames received so far. */
  received: readonly Frame[]
  /** Resolves to the first received frame that matches. Rejects when the connection closes before. */
  until: (matches: (frame: Frame) => boolean) => Promise<Frame>
  /** Resolves when the connection has closed. */
  closed: Promise<void>
  /** Stops reading, like a client that does not read its responses. */
  pause: () => void
  resume: () => void
  destroy: () => void
  isOpen: () => boolean
}>

/** A setting with which the server uses no dynamic HPACK table, so that each header block can be decoded on its own. */
const headerTableSize = 1

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** An HTTP/2 connection (RFC 9113) that sends exactly the given frames, including those that no client sends. */
export async function openFrames(
  port: number,
  settings: Buffer = settingFrame(headerTableSize, 0),
): Promise<FrameConnection> {
  const socket = connect({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], rejectUnauthorized: false })
  const received: Frame[] = []
  const { notify, waitFor } = createSignal()
  let unparsed: Buffer = Buffer.alloc(0)
  socket.on('error', () => {}) // `close` follows
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  void closed.then(notify)
  socket.on('data', (chunk: Buffer) => {
    unparsed = Buffer.concat([unparsed, chunk])
    while (unparsed.length >= 9 && unparsed.length >= 9 + unparsed.readUIntBE(0, 3)) {
      const length = unparsed.readUIntBE(0, 3)
      const payload = unparsed.subarray(9, 9 + length)
      received.push({ type: unparsed[3]!, flags: unparsed[4]!, stream: unparsed.readUInt32BE(5), payload })
      unparsed = unparsed.subarray(9 + length)
    }
    notify()
  })
  await once(socket, 'secureConnect')
  socket.write(preface)
  socket.write(settings)
  return Object.freeze({
    async send(...frames) {
      if (socket.destroyed || socket.write(Buffer.concat(frames))) return
      await Promise.race([once(socket, 'drain').catch(() => {}), closed])
    },
    received,
    async until(matches) {
      const found = await waitFor(
        () => received.find(matches),
        () => socket.closed,
      )
      if (found === undefined) throw new Error(`the connection closed after ${received.map(describeFrame)}`)
      return found
    },
    closed,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    destroy: () => void socket.destroy(),
    isOpen: () => !socket.destroyed && !socket.readableEnded,
  })
}

function describeFrame({ type, stream, payload }: Frame): string {
  return `${type}/${stream} ${type === frameTypes.reset || type === frameTypes.goaway ? payload.toString('hex') : ''}`
}

type FrameOptions = { stream?: number; flags?: number; payload?: Buffer }

export function frame(type: keyof typeof frameTypes, { stream = 0, flags = 0, payload }: FrameOptions = {}): Buffer {
  const body = payload ?? Buffer.alloc(0)
  const head = Buffer.alloc(9)
  head.writeUIntBE(body.length, 0, 3)
  head[3] = frameTypes[type]
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, body])
}

const endStream = 0x1
const endHeaders = 0x4

/**
 * A complete request, or with `hasBody` only its head. Names and values are sent as literals, without Huffman coding.
 */
export function requestFrame(stream: number, fields: readonly (readonly [string, string])[], hasBody = false): Buffer {
  const flags = hasBody ? endHeaders : endHeaders | endStream
  return frame('headers', { stream, flags, payload: headerBlock(fields) })
}

/** Literal header fields without indexing (HPACK, RFC 7541, section 6.2.2). */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]))
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([integer(bytes.length), bytes])
}

/** An integer with a prefix of seven bits (RFC 7541, section 5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value])
  const bytes = [127]
  for (let rest = value - 127; ; rest >>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest & 127) | 128)
  }
}

export function settingFrame(id: number, value: number): Buffer {
  return frame('settings', { payload: Buffer.concat([Buffer.from([0, id]), uint32(value)]) })
}

export function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}

/** The pseudo-headers of a GET, with changes (undefined removes one), followed by other headers. */
export function requestFields(
  changes: Readonly<Record<string, string | undefined>> = {},
  ...more: readonly (readonly [string, string])[]
): (readonly [string, string])[] {
  const pseudoHeaders = { ':method': 'GET', ':scheme': 'https', ':path': '/', ':authority': 'es', ...changes }
  const kept = Object.entries(pseudoHeaders).filter((field): field is [string, string] => field[1] !== undefined)
  return [...kept, ...more]
}

/** The status of the response on a stream, or `reset` and the error code. */
export async function responseOutcome(connection: FrameConnection, stream: number): Promise<string> {
  const isOutcome = ({ type, stream: id }: Frame) =>
    id === stream && (type === frameTypes.headers || type === frameTypes.reset)
  const { type, payload } = await connection.until(isOutcome)
  if (type === frameTypes.reset) return `reset ${payload.readUInt32BE(0)}`
  return statusIn(payload)
}

const indexedStatuses = ['200', '204', '206', '304', '400', '404', '500']

/**
 * The static table of HPACK has seven statuses (RFC 7541, appendix A, entries 8 to 14); another one is a literal value
 * for one of their names.
 */
function statusIn(block: Buffer): string {
  if (block[0] === 0x20) return statusIn(block.subarray(1)) // a size update to an empty dynamic table
  const first = block[0]!
  if (first >= 0x88 && first <= 0x8e) return indexedStatuses[first - 0x88]!
  const length = block[1]!
  const value = block.subarray(2, 2 + (length & 127))
  return (length & 128) === 0 ? value.toString('latin1') : huffmanDigits(value)
}

/** In the Huffman code of HPACK (RFC 7541, appendix B), the digits 0 to 2 have five bits and the others six. */
function huffmanDigits(bytes: Buffer): string {
  let bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  let text = ''
  while (text.length < 3) {
    const five = Number.parseInt(bits.slice(0, 5), 2)
    const length = five <= 2 ? 5 : 6
    const code = Number.parseInt(bits.slice(0, length), 2)
    text += length === 5 ? code : code - 0x19 + 3
    bits = bits.slice(length)
  }
  return text
}
