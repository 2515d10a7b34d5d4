/** The position of a request in a distributed trace. */
export type TraceParent = Readonly<{
  /** 32 hexadecimal digits, which name the trace. */
  traceId: string
  /** 16 hexadecimal digits, which name the caller's span. */
  parentId: string
  /** The trace flags: bit 0 is set if the caller has sampled the request. */
  flags: number
}>

/**
 * Parses the value of a `traceparent` header (W3C Trace Context, section 3.2). Returns undefined for an invalid one. Of a
 * version later than 00, only the parts that version 00 has are read, as the specification requires (section 3.2.4).
 */
export function parseTraceparent(value: string): TraceParent | undefined {
  const [, version, traceId, parentId, flags, rest] = format.exec(value) ?? []
  if (traceId === undefined || version === 'ff' || (version === '00' && rest !== undefined)) return undefined
  if (isZero(traceId) || isZero(parentId!)) return undefined
  return { traceId, parentId: parentId!, flags: Number.parseInt(flags!, 16) }
}

const format = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x20-\x7e]*)?$/

function isZero(id: string): boolean {
  return /^0+$/.test(id)
}
