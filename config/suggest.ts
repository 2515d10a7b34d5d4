/** "did you mean `hosts`?" for the most similar known word, or `fallback` if none is similar. */
export function suggest(
  word: string,
  known: readonly string[],
  fallback = 'config/elastauth.example.yml lists all keys',
): string {
  const nearest = findNearest(word, known)
  return nearest === undefined ? fallback : `did you mean \`${nearest}\`?`
}

/** The same for a key within an entry, such as a route or a user, which has too few keys to look them up. */
export function suggestField(word: string, fields: Readonly<Record<string, unknown>>): string {
  const known = Object.keys(fields)
  return suggest(word, known, `use one of ${known.join(', ')}`)
}

/** The most similar known word within an edit distance of 1 to 3, depending on the length of `word`, or `undefined`. */
export function findNearest(word: string, known: readonly string[]): string | undefined {
  const maxDistance = maxDistanceOf(word)
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= maxDistance)
  return near.sort((a, b) => a.distance - b.distance)[0]?.candidate
}

function maxDistanceOf(word: string): number {
  if (word.length < 4) return 1
  return word.length < 8 ? 2 : 3
}

/** The number of insertions, deletions, substitutions and transpositions (optimal string alignment distance). */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return 4 // 4 exceeds every accepted distance
  let rowBeforePrevious: number[] = []
  let previousRow = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const deletion = previousRow[j]! + 1
      const insertion = row[j - 1]! + 1
      const substitution = previousRow[j - 1]! + (isSame ? 0 : 1)
      const isSwapped = i > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const transposition = isSwapped ? rowBeforePrevious[j - 2]! + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(deletion, insertion, substitution, transposition))
    }
    rowBeforePrevious = previousRow
    previousRow = row
  }
  return previousRow[b.length]!
}
