import { isatty } from 'node:tty'
import { type DestinationStream, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
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
 * secrets.
 */
export function createLog({ level, format, destination = openLogOutput() }: LogOptions): Logger {
  const isText = format === 'text' || (format === 'auto' && isatty(1))
  return pino(
    {
      level,
      base: { 'ecs.version': '8.17', 'service.name': 'elastauth' },
      messageKey: 'message',
      timestamp: createTimestamp(),
      formatters: { level: (label) => ({ 'log.level': label }) },
    },
    isText ? asText(destination) : destination,
  )
}

/** Fields that the text format omits because the message contains them. */
const omittedFields = [
  'ecs.version',
  'service.name',
  'event.action',
  'event.category',
  'event.duration',
  'event.kind',
  'event.outcome',
  'event.reason',
  'event.type',
  'http.request.method',
  'http.response.status_code',
  'url.path',
]

function asText(destination: DestinationStream): DestinationStream {
  const format = pretty.prettyFactory({
    messageKey: 'message',
    messageFormat: formatMessage,
    levelKey: 'log\\.level', // pino-pretty reads an unescaped dot as a path
    timestampKey: '@timestamp',
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: omittedFields.map((key) => key.replaceAll('.', '\\.')).join(','),
    singleLine: true,
    colorize: isatty(1),
  })
  return { write: (line) => destination.write(format(line)) }
}

function formatMessage({ message, 'event.duration': nanoseconds }: Record<string, unknown>): string {
  return typeof nanoseconds === 'number' ? `${message} (${(nanoseconds / 1e6).toFixed(1)} ms)` : String(message)
}

/** Formats the time at most once per millisecond, because there may be several requests in a millisecond. */
function createTimestamp(): () => string {
  let formattedAt = 0
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== formattedAt) {
      formattedAt = now
      text = `,"@timestamp":"${new Date(now).toISOString()}"`
    }
    return text
  }
}
