import { once } from 'node:events'
import { escapeControls } from '../http/escape-controls.ts'

/** Names from Elasticsearch may contain terminal escapes. */
export function joinNames(names: readonly string[]): string {
  return names.length === 0 ? '-' : escapeControls(names.join(', '))
}

/** One line of JSON. Unlike JSON.stringify, it escapes C1 control characters too. */
export function toJson(value: unknown): string {
  return escapeControls(JSON.stringify(value))
}

/** Waits for a slow reader, so that a large list does not fill the memory. */
export async function print(text: string): Promise<void> {
  if (process.stdout.destroyed) return // no event would follow
  if (!process.stdout.write(text)) await once(process.stdout, 'drain').catch(() => {}) // the commands handle the end of the reader
}
