import { type DestinationStream, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'

export type { Logger } from 'pino'

export type LogOptions = Readonly<{
  level: string
  format: 'auto' | 'text' | 'json'
  /** Where lines go; standard output when absent. */
  destination?: DestinationStream | undefined
}>

/** Waiting lines beyond this many bytes are dropped: a log nobody reads must not eat the memory. */
const maxWaiting = 16 * 1024 * 1024

/**
 * JSON lines with the field names of the Elastic Common Schema, or readable text. Nothing is logged but what a call
 * names: no serializer copies requests, headers or errors of libraries.
 */
export function createLog({ level, format, destination }: LogOptions): Logger {
  const text = format === 'text' || (format === 'auto' && process.stdout.isTTY === true)
  // A terminal is in no hurry, and wants its lines in order up to the last.
  const output = destination ?? pino.destination({ dest: 1, sync: text, maxLength: maxWaiting })
  return pino(
    {
      level,
      base: { 'ecs.version': '8.17', 'service.name': 'elastauth' },
      messageKey: 'message',
      timestamp: createTimestamp(),
      formatters: { level: (label) => ({ 'log.level': label }) },
    },
    text ? pretty({ ...textOptions, colorize: process.stdout.isTTY === true, destination: output }) : output,
  )
}

const textOptions = {
  messageKey: 'message',
  levelKey: 'log\\.level', // pino-pretty takes a plain dot for a path,
  timestampKey: '@timestamp',
  translateTime: 'SYS:HH:MM:ss.l',
  ignore: 'ecs\\.version,service\\.name',
  singleLine: true,
} as const

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
