/**
 * Removes leading and trailing spaces and tabs. `trim` would also remove characters that can be part of a name, such as
 * U+00A0.
 */
export function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (isBlank(text[start])) start++
  while (end > start && isBlank(text[end - 1])) end--
  return text.slice(start, end)
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}
