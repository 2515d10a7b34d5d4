import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { type BackOff, backOffMs } from '../async/back-off.ts'
import type { Rejection } from '../es/create-documents.ts'
import type { Chain, SealedRecord } from './chain.ts'
import { formatOwnRecord } from './record.ts'

export type SinkName = 'file' | 'stdout' | 'elasticsearch'

/** Where a sink writes. */
export type Target = Readonly<{
  name: SinkName
  /** The pause after a write, in which events collect for the next one, unless there are enough already. */
  intervalMs: number
  /**
   * Writes all records, or rejects: then it is called again with the same array. Resolves to the records that can never be
   * written, if there are any.
   */
  write: (records: readonly SealedRecord[]) => Promise<Rejection | undefined>
  close: () => void
}>

/** What an operator should know. */
export type SinkEvents = Readonly<{
  onDown: (name: SinkName, reason: string) => void
  /** @param dropped the number of events that were dropped meanwhile */
  onUp: (name: SinkName, dropped: number) => void
  /** Events that are lost, because Elasticsearch rejects them or the process ends. */
  onLost: (name: SinkName, events: number, reason: string) => void
}>

export type SinkOptions = SinkEvents &
  Readonly<{
    /** Fields of the first record. */
    about: Readonly<Record<string, unknown>>
    maxBytes: number
    monotonicNow: () => number
  }>

export type Sink = Readonly<{
  name: SinkName
  /** Takes an event, or drops and counts it. Never blocks. @param body see `formatRecord` */
  accept: (body: string) => void
  /** Why the next event might be lost; undefined if the sink works. */
  findFault: () => string | undefined
  written: () => number
  dropped: () => number
  /** Tries a failed write again at once. */
  retry: () => void
  /** Writes the last record. Events that are not written within `timeoutMs` are dropped. */
  close: (timeoutMs: number) => Promise<void>
}>

type Entry = Readonly<{ body: string; gap: number; isEvent: boolean }>

const maxBatchBytes = 256 * 1024
const retryDelays: BackOff = { firstMs: 20, maxMs: 2000 }
/** An event that has waited longer for its write means that the sink is down. */
const maxDelayMs = 5000
/** An estimate of the memory for an event besides its text. */
const entryBytes = 200

/**
 * A bounded buffer in front of a target. While the target fails, writes are retried with back-off. When the buffer is full,
 * events are dropped until it is half empty, and a record with their number takes their place.
 */
export function createSink(target: Target, chain: Chain, options: SinkOptions): Sink {
  const { name } = target
  const { maxBytes, monotonicNow } = options
  let queue: Entry[] = []
  let queuedBytes = 0
  let accepted = 0
  let written = 0
  let dropped = 0
  /** Dropped events that no record states yet. */
  let unstated = 0
  let isDropping = false
  let isDown = false
  let droppedBeforeDown = 0
  /** When a write last succeeded, or the buffer last stopped being empty; undefined if it is empty. */
  let progressAt: number | undefined
  let draining: Promise<void> | undefined
  let wake = () => {}
  let state: 'open' | 'closing' | 'closed' = 'open'

  function push(entry: Entry): void {
    queue.push(entry)
    queuedBytes += entry.body.length + entryBytes
    progressAt ??= monotonicNow()
    draining ??= drain()
  }

  async function drain(): Promise<void> {
    await setImmediate() // so that all events of one turn of the event loop become one write
    while (queue.length > 0 && state !== 'closed') {
      const { entries, bytes } = takeBatch()
      const records = entries.map(({ body, gap }) => chain.seal(body, gap))
      const isWritten = await writeUntilDone(records, entries.filter(({ isEvent }) => isEvent).length)
      if (isWritten) await continueAfterWrite(bytes)
    }
    draining = undefined
  }

  async function continueAfterWrite(bytes: number): Promise<void> {
    queuedBytes -= bytes
    progressAt = queue.length > 0 ? monotonicNow() : undefined
    if (isDropping && queuedBytes <= maxBytes / 2) stateDropped()
    if (isDown && !isDropping) reportUp()
    // A pause before each batch would limit the events per second, and the buffer of a working sink would become full.
    if (state === 'open' && queuedBytes < maxBatchBytes) await pause(target.intervalMs)
  }

  function takeBatch(): { entries: readonly Entry[]; bytes: number } {
    let [count, bytes] = [0, 0]
    while (count < queue.length && (count === 0 || bytes < maxBatchBytes))
      bytes += queue[count++]!.body.length + entryBytes
    const entries = queue.slice(0, count)
    queue = queue.slice(count)
    return { entries, bytes }
  }

  /** @returns false if the sink was closed before */
  async function writeUntilDone(records: readonly SealedRecord[], events: number): Promise<boolean> {
    for (let retry = 0; state !== 'closed'; retry++) {
      try {
        const rejection = await target.write(records)
        const rejected = Math.min(events, rejection?.count ?? 0) // the records about the audit log itself do not count
        written += events - rejected
        dropped += rejected
        if (rejected > 0) options.onLost(name, rejected, rejection!.reason)
        return true
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException
        if (code !== 'EAGAIN') reportDown(message) // a pipe whose reader is slow
      }
      await pause(backOffMs(retry, retryDelays))
    }
    return false
  }

  async function pause(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, milliseconds)
    wake = resolve
    await promise
    clearTimeout(timer)
  }

  /** Ends a time in which events were dropped. */
  function stateDropped(): void {
    isDropping = false
    const message = `${unstated} events were dropped, because the buffer was full`
    const body = formatOwnRecord('audit_events_dropped', { 'elastauth.audit.dropped': unstated }, message)
    const gap = unstated
    unstated = 0
    push({ body, gap, isEvent: false })
  }

  function reportDown(reason: string): void {
    if (isDown) return
    isDown = true
    droppedBeforeDown = dropped - unstated
    options.onDown(name, reason)
  }

  function reportUp(): void {
    isDown = false
    options.onUp(name, dropped - droppedBeforeDown)
  }

  function drop(): void {
    dropped++
    if (state !== 'open') return
    unstated++
    isDropping = true
    reportDown('its buffer is full')
  }

  push({ body: formatOwnRecord('audit_started', options.about, 'the audit log begins'), gap: 0, isEvent: false })
  return Object.freeze({
    name,
    accept(body: string) {
      accepted++
      if (isDropping || state !== 'open' || queuedBytes + body.length > maxBytes) drop()
      else push({ body, gap: 0, isEvent: true })
    },
    findFault() {
      if (isDropping || queuedBytes > maxBytes / 2) return 'its buffer is more than half full'
      const isLate = progressAt !== undefined && monotonicNow() - progressAt > maxDelayMs
      return isLate ? `nothing was written for ${maxDelayMs / 1000} seconds` : undefined
    },
    written: () => written,
    dropped: () => dropped,
    retry: () => wake(),
    async close(timeoutMs: number) {
      if (isDropping) stateDropped()
      push({ body: formatOwnRecord('audit_stopped', {}, 'the audit log ends'), gap: 0, isEvent: false })
      state = 'closing'
      wake()
      const timeout = new AbortController()
      await Promise.race([draining, sleep(timeoutMs, undefined, { signal: timeout.signal })])
      timeout.abort()
      state = 'closed'
      wake()
      target.close()
      const events = accepted - written - dropped
      dropped += events
      if (events > 0) options.onLost(name, events, 'they were not written before the process ended')
    },
  })
}
