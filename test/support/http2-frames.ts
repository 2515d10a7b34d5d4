import { once } from 'node:events'
import { connect } from 'node:tls'

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
  /** Resolves when there is room for more, or the connection has closed. */
  send: (...frames: Buffer[]) => Promise<void>
  /** Every frame that came so far. */
  received: readonly Frame[]
  /** Resolves when a frame has come that the test accepts. Rejects when the connection closes before. */
  until: (accepts: (frame: Frame) => boolean) => Promise<Frame>
  /** Resolves when the other side has closed. */
  closed: Promise<void>
  /** Stops reading, as a client does that leaves what it asked for unread. */
  pause: () => void
  resume: () => void
  destroy: () => void
  isOpen: () => boolean
}>

/** Of the answers’ headers, none is to be learnt: each block can be read by itself. */
const headerTableSize = 1

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** An HTTP/2 connection (RFC 9113) that sends exactly the frames it is given: for what no client would send. */
export async function openFrames(
  port: number,
  settings: Buffer = settingFrame(headerTableSize, 0),
): Promise<FrameConnection> {
  const socket = connect({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], rejectUnauthorized: false })
  const received: Frame[] = []
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  let watchers: (() => void)[] = []
  let rest: Buffer = Buffer.alloc(0)
  socket.on('error', () => {}) // a reset is a close too
  socket.on('close', () => resolve())
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const length = rest.readUIntBE(0, 3)
      const payload = rest.subarray(9, 9 + length)
      received.push({ type: rest[3]!, flags: rest[4]!, stream: rest.readUInt32BE(5), payload })
      rest = rest.subarray(9 + length)
    }
    for (const watch of watchers) watch()
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
    until(accepts) {
      const { promise, resolve: found, reject } = Promise.withResolvers<Frame>()
      const look = () => {
        const match = received.find(accepts)
        if (match) found(match)
      }
      watchers.push(look)
      look()
      void closed.then(() => reject(new Error(`closed after ${received.map(describeFrame)}`)))
      return promise.finally(() => {
        watchers = watchers.filter((watch) => watch !== look)
      })
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

/** A whole request, or with `hasBody` its beginning. Names and values go as they are, without HPACK's tables. */
export function requestFrame(stream: number, fields: readonly (readonly [string, string])[], hasBody = false): Buffer {
  const flags = hasBody ? endHeaders : endHeaders | endStream
  return frame('headers', { stream, flags, payload: headerBlock(fields) })
}

/** HPACK (RFC 7541), 6.2.2: literal fields that are not indexed. */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]))
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([integer(bytes.length), bytes])
}

/** With a prefix of seven bits (5.1). */
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

/** The pseudo headers of a GET, and whatever replaces or follows them; undefined takes one away. */
export function requestFields(
  changes: Readonly<Record<string, string | undefined>> = {},
  ...more: readonly (readonly [string, string])[]
): (readonly [string, string])[] {
  const usual = { ':method': 'GET', ':scheme': 'https', ':path': '/', ':authority': 'es', ...changes }
  const kept = Object.entries(usual).filter((field): field is [string, string] => field[1] !== undefined)
  return [...kept, ...more]
}

/** The status of a stream's answer, once it is there; a reset’s code where it was reset instead. */
export async function responseOutcome(connection: FrameConnection, stream: number): Promise<string> {
  const isOutcome = ({ type, stream: id }: Frame) =>
    id === stream && (type === frameTypes.headers || type === frameTypes.reset)
  const { type, payload } = await connection.until(isOutcome)
  if (type === frameTypes.reset) return `reset ${payload.readUInt32BE(0)}`
  return statusIn(payload)
}

const indexedStatuses = ['200', '204', '206', '304', '400', '404', '500']

/** HPACK's static table has seven statuses (appendix A, 8 to 14); any other is a literal after one of their names. */
function statusIn(block: Buffer): string {
  if (block[0] === 0x20) return statusIn(block.subarray(1)) // an empty table, as we wished
  const first = block[0]!
  if (first >= 0x88 && first <= 0x8e) return indexedStatuses[first - 0x88]!
  const length = block[1]!
  const value = block.subarray(2, 2 + (length & 127))
  return (length & 128) === 0 ? value.toString('latin1') : huffmanDigits(value)
}

/** 7541, appendix B: digits 0 to 2 have five bits, the others six. */
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
