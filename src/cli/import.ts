import { convertEntries } from '../../config/migrate/convert.ts'
import { readEntries } from '../../config/migrate/read-entries.ts'
import { formatNotes, writeConfig } from '../../config/migrate/write-config.ts'

/**
 * `elastauth import FILE`: converts the configuration of the Go elastauth. The result, with its secrets, goes to standard
 * output; the notes on standard error contain no values.
 * @throws {ConfigError} if the file cannot be read
 */
export function importConfig(file: string): void {
  const converted = convertEntries(readEntries(file))
  process.stdout.write(writeConfig(converted, file))
  for (const line of formatNotes(converted.notes)) console.error(line)
}
