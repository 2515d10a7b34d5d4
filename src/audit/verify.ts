import { type KeyObject, timingSafeEqual } from 'node:crypto'
import { type JsonObject, parseObject } from '../http/json-object.ts'
import { chainStart, computeMac, macSuffix, macSuffixLength } from './chain.ts'

/** The maximum length of a line; records are much shorter. */
export const maxLineBytes = 64 * 1024
/** A limit for the memory, because each restart of a process begins a chain. */
const maxChains = 100_000

export type RecordFault = Readonly<{ place: string; problem: string }>

export type Summary = Readonly<{
  records: number
  /** Events that elastauth itself stated as dropped. */
  dropped: number
  chains: number
  /** The chains without a last record. */
  unfinished: readonly string[]
}>

export type Verifier = Readonly<{
  /** @param line without its line break; undefined if it was too long. @param place the file and the number of the line */
  check: (line: Buffer | undefined, place: string) => void
  /** Reports a last line without a line break. */
  checkEnd: (rest: Buffer | undefined, place: string) => void
  summarize: () => Summary
}>

/** `keys` are those that may have been used. */
type ChainState = { keys: readonly KeyObject[]; previous: Buffer; sequence: number; isFinished: boolean }
type RecordLine = Readonly<{ text: Buffer; mac: Buffer; chain: string; sequence: number; fields: JsonObject }>

/**
 * Checks that each record follows the previous one of its chain and has the right MAC. Chains may be interleaved, as in a
 * file that several processes append to, and continue in the next file.
 * @param keys by their id
 */
export function createVerifier(keys: ReadonlyMap<string, KeyObject>, report: (fault: RecordFault) => void): Verifier {
  const chains = new Map<string, ChainState>()
  let records = 0
  let dropped = 0

  function check(line: Buffer | undefined, place: string): void {
    const problems = line === undefined ? [`a line of more than ${maxLineBytes} bytes`] : checkLine(line)
    for (const problem of problems) report({ place, problem })
  }

  function checkLine(line: Buffer): readonly string[] {
    const record = readRecord(line)
    if (record === undefined) return ['not a record of the audit log']
    records++
    const chain = chains.get(record.chain)
    return chain === undefined ? checkFirst(record) : checkNext(record, chain)
  }

  function checkFirst(record: RecordLine): readonly string[] {
    const { chain: id, sequence, fields } = record
    if (chains.size >= maxChains) throw new Error(`more than ${maxChains} chains: verify fewer files at a time`)
    const keyId = fields['elastauth.audit.key']
    const isStart = sequence === 1 && fields['event.action'] === 'audit_started'
    const key = keys.get(String(keyId))
    const chain: ChainState = {
      keys: isStart && key !== undefined ? [key] : [...keys.values()],
      previous: chainStart,
      sequence: 0,
      isFinished: false,
    }
    chains.set(id, chain)
    if (isStart && key === undefined) {
      follow(chain, record)
      const shown = JSON.stringify(keyId)?.slice(0, 40)
      return [`chain ${id} was written with the secret key ${shown}, which is not configured: see previous_secret_keys`]
    }
    if (isStart) return checkNext(record, chain)
    follow(chain, record)
    return [`chain ${id} begins with record ${sequence}: what is before it is missing`]
  }

  function checkNext(record: RecordLine, chain: ChainState): readonly string[] {
    const { chain: id, sequence, fields } = record
    const gap = Number(fields['elastauth.audit.dropped'] ?? 0)
    const expected = chain.sequence + 1 + gap
    const name = `record ${sequence} of chain ${id}`
    if (sequence <= chain.sequence) return [`${name} is repeated or out of order: it follows record ${chain.sequence}`]
    const problems = chain.isFinished ? [`${name} follows the last record of its chain`] : []
    if (sequence !== expected)
      problems.push(
        `${name} follows record ${chain.sequence}: ${Math.max(1, sequence - expected)} before it are missing or out of order`,
      )
    else if (isAuthentic(record, chain)) dropped += gap
    else problems.push(`${name} was changed, or it or the record before it is not from elastauth`)
    follow(chain, record)
    return problems
  }

  return Object.freeze({
    check,
    checkEnd(rest: Buffer | undefined, place: string) {
      if (rest === undefined || rest.length > 0) report({ place, problem: 'the last line is cut off' })
    },
    summarize: () => ({
      records,
      dropped,
      chains: chains.size,
      unfinished: [...chains].filter(([, { isFinished }]) => !isFinished).map(([id]) => id),
    }),
  })
}

/** The next records are compared with this one even if it has a fault, so that each fault is reported once. */
function follow(chain: ChainState, { mac, sequence, fields }: RecordLine): void {
  chain.previous = mac
  chain.sequence = sequence
  chain.isFinished ||= fields['event.action'] === 'audit_stopped'
}

function isAuthentic({ text, mac }: RecordLine, chain: ChainState): boolean {
  const key = chain.keys.find((one) => timingSafeEqual(computeMac(one, chain.previous, text), mac))
  if (key === undefined) return false
  chain.keys = [key]
  return true
}

function readRecord(line: Buffer): RecordLine | undefined {
  const end = line.length - macSuffixLength
  const mac = macSuffix.exec(line.subarray(Math.max(0, end)).toString('latin1'))?.[1]
  if (end <= 0 || mac === undefined) return undefined
  const text = line.subarray(0, end)
  const fields = parseObject(`${text}}`)
  const chain = fields?.['elastauth.audit.chain']
  const sequence = fields?.['event.sequence']
  if (typeof chain !== 'string' || !/^[0-9a-f]{16}$/.test(chain)) return undefined
  if (!Number.isSafeInteger(sequence) || (sequence as number) < 1) return undefined
  const bytes = Buffer.from(mac, 'base64url')
  // The last character has two bits that the bytes do not contain.
  return bytes.toString('base64url') === mac
    ? { text, mac: bytes, chain, sequence: sequence as number, fields: fields! }
    : undefined
}
