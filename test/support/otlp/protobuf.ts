/** The fields of a message of Protocol Buffers by their number, in order. Numbers are bigints. */
export type Fields = ReadonlyMap<number, readonly (bigint | Buffer)[]>

/** Decodes a message, without a schema: a test knows the numbers of the fields that it reads. */
export function decodeMessage(bytes: Buffer): Fields {
  const fields = new Map<number, (bigint | Buffer)[]>()
  let position = 0

  function readVarint(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[position++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  function readValue(wireType: number): bigint | Buffer {
    if (wireType === 0) return readVarint()
    const length = wireType === 2 ? Number(readVarint()) : wireType === 1 ? 8 : 4
    const value = bytes.subarray(position, position + length)
    position += length
    if (value.length < length) throw new Error('a truncated message')
    return wireType === 2 ? value : wireType === 1 ? value.readBigUInt64LE() : BigInt(value.readUInt32LE())
  }

  while (position < bytes.length) {
    const tag = Number(readVarint())
    const values = fields.get(tag >> 3) ?? []
    fields.set(tag >> 3, [...values, readValue(tag & 7)])
  }
  return fields
}

export function messagesOf(fields: Fields, number: number): Fields[] {
  return bytesOf(fields, number).map(decodeMessage)
}

function bytesOf(fields: Fields, number: number): Buffer[] {
  return (fields.get(number) ?? []) as Buffer[]
}

export function textOf(fields: Fields, number: number): string {
  return bytesOf(fields, number)[0]?.toString() ?? ''
}

export function hexOf(fields: Fields, number: number): string {
  return bytesOf(fields, number)[0]?.toString('hex') ?? ''
}

export function numberOf(fields: Fields, number: number): number {
  return Number(fields.get(number)?.[0] ?? 0)
}
