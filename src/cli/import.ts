import { convertEntries } from '../../config/migrate/convert.ts'
import { readEntries } from '../../config/migrate/read-entries.ts'
import { formatNotes, writeConfig } from '../../config/migrate/write-config.ts'

/**
 * The command `elastauth import FILE`: converts the configuration of the Go elastauth. The result, including secrets,
 * is written to standard output, and notes without values to standard error.
 * @throws {ConfigError} if the file cannot be read
 */
export function importConfig(file: string): void {
  const converted = convertEntries(readEntries(file))
  process.stdout.write(writeConfig(converted, file))
  for (const line of formatNotes(converted.notes)) console.error(line)
}
