import type { Result } from './suite.ts'

/** One line: a mark, the case and the statuses; a second one with the fault. */
export function lineFor({ name, statuses, fault }: Result): string {
  const shown = statuses.length > 5 ? `${statuses.slice(0, 5).join(' ')} …` : statuses.join(' ')
  return `  ${fault === undefined ? '✔' : '✖'} ${name.padEnd(68)} ${shown}${fault === undefined ? '' : `\n      ${fault}`}`
}

export function summaryFor(profile: string, results: readonly Result[]): string {
  const failed = results.filter(({ fault }) => fault !== undefined).length
  return failed === 0 ? `${profile}: all ${results.length} passed` : `${profile}: ${failed} of ${results.length} failed`
}
