const ellipsis = '…'
const ellipsisBytes = 3
/** The minimum length of a text after it has been cut, in characters. */
const minCutLength = 200

/**
 * Shortens a line of the log to at most `maxBytes`, if its texts are long enough for that: it cuts the middle out of the longest
 * texts of a JSON line, and out of any other line itself.
 */
export function boundLine(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text
  if (text.startsWith('{')) return `${boundJson(JSON.parse(text), maxBytes - 1)}\n`
  return text
    .split('\n')
    .map((line) => boundText(line, maxBytes - 1))
    .join('\n')
}

function boundJson(fields: Record<string, unknown>, maxBytes: number): string {
  const bounded = { ...fields }
  for (;;) {
    const line = JSON.stringify(bounded)
    const excess = Buffer.byteLength(line) - maxBytes
    if (excess <= 0) return line
    const [name, text] = textToCut(bounded)
    if (text.length <= minCutLength + ellipsis.length) return line
    bounded[name] = cutMiddle(text, Math.max(minCutLength, text.length - excess - ellipsisBytes))
  }
}

function textToCut(fields: Readonly<Record<string, unknown>>): [name: string, text: string] {
  const texts = Object.entries(fields).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return texts.reduce((found, entry) => (entry[1].length > found[1].length ? entry : found))
}

/** A character at the cut may become U+FFFD. */
function boundText(line: string, maxBytes: number): string {
  const bytes = Buffer.from(line)
  if (bytes.length <= maxBytes) return line
  const half = Math.floor(maxBytes / 2) - 2 * ellipsisBytes
  return `${bytes.subarray(0, half)}${ellipsis}${bytes.subarray(-half)}`
}

/** Keeps the beginning and the end, because the end of a message often says most. */
function cutMiddle(text: string, length: number): string {
  const half = Math.floor(length / 2)
  return (text.slice(0, half) + ellipsis + text.slice(text.length - half)).toWellFormed()
}
