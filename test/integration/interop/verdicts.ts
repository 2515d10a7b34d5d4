import { cases } from './cases.ts'

/** The cases as the table in docs/deployment/README.md has them. */
export function verdictTable(): string {
  const rows = cases.map(
    ([name, , { status, user, location }]) => `| ${name} | ${verdictOf(status!, user, location)} |`,
  )
  return ['| What comes | What becomes of it |', '|---|---|', ...rows].join('\n')
}

function verdictOf(status: number, user: string | null | undefined, location: string | undefined): string {
  if (location !== undefined) return `${status}, to the page to log in`
  if (user === undefined || user === null) return String(status)
  return `${status}, as ${user.length > 40 ? 'that user' : user.replace('neighbour-', '')}`
}

if (import.meta.main) console.log(verdictTable())
