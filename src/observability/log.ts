import { isatty } from 'node:tty'
import { type DestinationStream, type Logger, pino } from 'pino'
import { formatTime } from './format-time.ts'
import { openLogOutput } from './log-output.ts'

export type { Logger } from 'pino'

export type LogOptions = Readonly<{
  level: string
  format: 'auto' | 'text' | 'json'
  /** Where to write the lines; standard output by default. */
  destination?: DestinationStream | undefined
}>

/**
 * Creates a logger for JSON lines with the field names of the Elastic Common Schema, or for readable text. Only fields
 * that a caller names are logged: no serializer copies requests, headers or libraries' errors, which may contain
 * secrets. The text format is loaded only if it is used.
 */
export async function createLog({ level, format, destination = openLogOutput() }: LogOptions): Promise<Logger> {
  const isText = format === 'text' || (format === 'auto' && isatty(1))
  const log = pino(
    {
      level,
      base: { 'ecs.version': '8.17', 'service.name': 'elastauth' },
      messageKey: 'message',
      timestamp: () => `,"@timestamp":"${formatTime(Date.now())}"`,
      formatters: { level: (label) => ({ 'log.level': label }) },
    },
    isText ? (await import('./log-text.ts')).asText(destination) : destination,
  )
  return Object.assign(log, { [symbols.asJsonSym]: formatLine })
}

/**
 * Replaces pino's function that formats a line: one call of `JSON.stringify` takes less time than to concatenate a line from
 * forty strings, and the resulting string takes less time to write. Serializers and redaction, which no logger here uses,
 * have no effect.
 */
function formatLine(this: LineParts, fields: object, message = '', level: number, time: string): string {
  const start = `${this[symbols.lsCacheSym][level]}${time}${this[symbols.chindingsSym]}`
  return `${start},${JSON.stringify({ ...fields, message }).slice(1)}\n`
}

const { symbols } = pino

/** The fields that a logger formats once: the level and its own fields. */
type LineParts = Readonly<{ [symbols.lsCacheSym]: readonly string[]; [symbols.chindingsSym]: string }>
