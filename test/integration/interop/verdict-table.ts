import { cases } from './cases.ts'

/** The table of cases in docs/deployment/README.md. */
export function verdictTable(): string {
  const rows = cases.map(
    ([name, , { status, user, location }]) => `| ${name} | ${verdictOf(status!, user, location)} |`,
  )
  return ['| Request | Response |', '|---|---|', ...rows].join('\n')
}

function verdictOf(status: number, user: string | null | undefined, location: string | undefined): string {
  if (location !== undefined) return `${status}, to the sign-in page`
  if (user === undefined || user === null) return String(status)
  return `${status}, as ${user.length > 40 ? 'that user' : user.replace('interop-', '')}`
}

if (import.meta.main) console.log(verdictTable())
