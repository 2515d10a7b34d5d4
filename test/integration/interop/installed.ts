import { execFileSync } from 'node:child_process'

/** Debian's daemons are not on every user's PATH. */
export const searchPath = `${process.env.PATH}:/usr/local/sbin:/usr/sbin`

/**
 * Why the tests with this program are not run, said on stderr too, or false where it is installed. Throws where it is not
 * and REQUIRE_PROXIES=1, unless Debian has none.
 */
export function whyNotInstalled({
  name,
  program,
  isOptional = false,
}: Readonly<{ name: string; program: string; isOptional?: boolean }>): string | false {
  try {
    execFileSync('/bin/sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore', env: { PATH: searchPath } })
    return false
  } catch {
    const reason = `no ${program} on the PATH`
    if (process.env.REQUIRE_PROXIES === '1' && !isOptional) throw new Error(`REQUIRE_PROXIES=1, but there is ${reason}`)
    console.error(`\nNOT RUN: the tests behind ${name}, for there is ${reason}.\n`)
    return reason
  }
}
