import { isOnPath } from '../../support/skip.ts'

/** Debian installs daemons in sbin, which is not on every user's PATH. */
export const searchPath = `${process.env.PATH}:/usr/local/sbin:/usr/sbin`

/**
 * The reason to skip the tests with this program, which stderr shows too, or false where it is installed. Throws where it is
 * not and REQUIRE_PROXIES=1, unless the program is optional.
 */
export function skipWithout({
  name,
  program,
  isOptional = false,
}: Readonly<{ name: string; program: string; isOptional?: boolean }>): string | false {
  if (isOnPath(program, searchPath)) return false
  const reason = `no ${program} on the PATH`
  if (process.env.REQUIRE_PROXIES === '1' && !isOptional) throw new Error(`REQUIRE_PROXIES=1, but there is ${reason}`)
  console.error(`\nSKIPPED: the tests behind ${name}: ${reason}.\n`)
  return reason
}
