/**
 * Escapes control characters and line separators as in JSON, to prevent terminal escape injection and forged lines in a log.
 * These include C1 characters, because U+009B alone begins an escape sequence.
 */
export function escapeControls(text: string): string {
  return text.replace(
    /[\0-\x1f\x7f-\x9f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
