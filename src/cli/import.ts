import { convertEntries } from '../../config/migrate/convert.ts'
import { readEntries } from '../../config/migrate/read-entries.ts'
import { formatNotes, writeConfig } from '../../config/migrate/write-config.ts'

/**
 * `elastauth import FILE`: prints the former elastauth's configuration as ours. The file's secrets go where the file
 * goes, to standard output; what is remarked on standard error has no value in it. Throws ConfigError.
 */
export function importConfig(file: string): void {
  const converted = convertEntries(readEntries(file))
  process.stdout.write(writeConfig(converted, file))
  for (const line of formatNotes(converted.notes)) console.error(line)
}
