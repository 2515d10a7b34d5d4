/** Where something was written: a file and line, or the name of an environment variable or flag. */
export type SourceLocation = { readonly file?: string; readonly line?: number; readonly source?: string }

/** One thing wrong, where, and what to do about it. */
export type Fault = SourceLocation & { readonly key: string; readonly problem: string; readonly fix: string }

/** A key that restricts access is empty: a variable was not set, or all entries of a list are commented out. */
export const emptyAccessKeyProblem = {
  problem: 'is empty, which would disable this protection',
  fix: 'write a value, or remove the key to use the default',
} as const

/** Thrown once, with every fault found. Its message shows them all and no secret. */
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

/** A value as it may be shown: short, escaped, and without the credentials of a URL. */
export function quoteForMessage(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  const masked = maskUrlCredentials(text)
  const quoted = JSON.stringify(masked.length > 60 ? `${masked.slice(0, 57)}...` : masked)
  // JSON leaves these as they are, and a terminal obeys some of them
  return quoted.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Masks what stands before the last `@`, whether or not the text is a well-formed URL. */
export function maskUrlCredentials(text: string): string {
  return text.replace(/^(.*?:\/\/)?.*@/s, (_, scheme = '') => `${scheme}********@`)
}

function formatFaults(faults: readonly Fault[]): string {
  const rows = faults.map((fault) => ({
    where: formatLocation(fault) || '(not set)',
    key: fault.key,
    text: `${fault.problem}: ${fault.fix}`,
  }))
  const width = (column: 'where' | 'key') => Math.min(48, Math.max(...rows.map((row) => row[column].length)))
  const lines = rows.map(({ where, key, text }) =>
    ['', where.padEnd(width('where')), key.padEnd(width('key')), text].join('  '),
  )
  return [`the configuration has ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`, ...lines].join('\n')
}
