import { isatty } from 'node:tty'
import type { DestinationStream } from 'pino'
import pretty from 'pino-pretty'

/** Formats JSON lines as readable text. */
export function asText(destination: DestinationStream): DestinationStream {
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

function formatMessage({ message, 'event.duration': nanoseconds }: Record<string, unknown>): string {
  return typeof nanoseconds === 'number' ? `${message} (${(nanoseconds / 1e6).toFixed(1)} ms)` : String(message)
}
