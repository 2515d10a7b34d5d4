/** Where a key was set: a file and line, or an environment variable or flag. */
export type SourceLocation = { readonly file?: string; readonly line?: number; readonly source?: string }

/** A configuration error: its location, what is wrong with the key, and what to do. */
export type Fault = SourceLocation & { readonly key: string; readonly problem: string; readonly fix: string }

/** The problem of an empty key that restricts access, for example because all entries of its list are commented out. */
export const emptyAccessKeyProblem = {
  problem: 'is empty, which would disable this protection',
  fix: 'write a value, or remove the key to use the default',
} as const

/** Contains all faults of a configuration. The message lists them, without secrets. */
export class ConfigError extends Error {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(formatFaults(faults))
    this.name = 'ConfigError'
    this.faults = faults
  }
}

export function formatLocation({ file, line, source }: SourceLocation): string {
  if (file === undefined) return source ?? ''
  return line === undefined ? file : `${file}:${line}`
}

/** A value for an error message: quoted, escaped, at most 60 characters, and without the credentials of a URL. */
export function quoteForMessage(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  const masked = maskUrlCredentials(text)
  return escapeControls(JSON.stringify(masked.length > 60 ? `${masked.slice(0, 57)}...` : masked))
}

/** Terminals interpret some of these characters, and JSON does not escape all of them. */
function escapeControls(text: string): string {
  return text.replace(
    /[\0-\x1f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Masks the credentials in a URL: everything before the last `@`, even if the text is not a well-formed URL. */
export function maskUrlCredentials(text: string): string {
  const end = text.lastIndexOf('@')
  if (end === -1) return text
  const [scheme, ...rest] = text.slice(0, end).split('://')
  return `${rest.length === 0 ? '' : `${scheme}://`}********${text.slice(end)}`
}

function formatFaults(faults: readonly Fault[]): string {
  const rows = faults.map((fault) => ({
    location: formatLocation(fault) || '(not set)',
    key: escapeControls(fault.key), // a name in a map, such as that of a user
    text: `${fault.problem}: ${fault.fix}`,
  }))
  const width = (column: 'location' | 'key') => Math.min(48, Math.max(...rows.map((row) => row[column].length)))
  const lines = rows.map(({ location, key, text }) =>
    ['', location.padEnd(width('location')), key.padEnd(width('key')), text].join('  '),
  )
  return [`the configuration has ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`, ...lines].join('\n')
}
