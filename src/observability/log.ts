import { isatty } from 'node:tty'
import { type DestinationStream, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import { openLogOutput } from './log-output.ts'

export type { Logger } from 'pino'

export type LogOptions = Readonly<{
  level: string
  format: 'auto' | 'text' | 'json'
  /** Where lines go; standard output when absent. */
  destination?: DestinationStream | undefined
}>

/**
 * JSON lines with the field names of the Elastic Common Schema, or readable text. Nothing is logged but what a call
 * names: no serializer copies requests, headers or errors of libraries.
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

/** What a line for reading says by itself. */
const ignored = [
  'ecs.version',
  'service.name',
  'event.action',
  'event.duration',
  'http.request.method',
  'http.response.status_code',
  'url.path',
]

function asText(destination: DestinationStream): DestinationStream {
  const format = pretty.prettyFactory({
    messageKey: 'message',
    messageFormat: messageForReading,
    levelKey: 'log\\.level', // pino-pretty takes a plain dot for a path
    timestampKey: '@timestamp',
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: ignored.map((key) => key.replaceAll('.', '\\.')).join(','),
    singleLine: true,
    colorize: isatty(1),
  })
  return { write: (line) => destination.write(format(line)) }
}

function messageForReading({ message, 'event.duration': nanoseconds }: Record<string, unknown>): string {
  return typeof nanoseconds === 'number' ? `${message} (${(nanoseconds / 1e6).toFixed(1)} ms)` : String(message)
}

/** The clock's text changes once a millisecond, requests come more often. */
function createTimestamp(): () => string {
  let at = 0
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== at) {
      at = now
      text = `,"@timestamp":"${new Date(now).toISOString()}"`
    }
    return text
  }
}
