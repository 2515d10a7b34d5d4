import type { Result } from './suite.ts'

/** One line: a mark, the case, the statuses, and what is wrong. */
export function lineFor({ name, statuses, fault }: Result): string {
  const answered = statuses.length > 5 ? `${statuses.slice(0, 5).join(' ')} …` : statuses.join(' ')
  return `  ${fault === undefined ? '✔' : '✖'} ${name.padEnd(68)} ${answered}${fault === undefined ? '' : `\n      ${fault}`}`
}

export function sumFor(profile: string, results: readonly Result[]): string {
  const wrong = results.filter(({ fault }) => fault !== undefined).length
  return wrong === 0
    ? `${profile}: all ${results.length} as they should be`
    : `${profile}: ${wrong} of ${results.length} wrong`
}
