import { execFileSync } from 'node:child_process'

/** Returns the reason to skip a test, and prints it. Throws it if the variable, such as REQUIRE_HELM, is 1, as in CI. */
export function skipBecause(reason: string, variable: string): string {
  if (process.env[variable] === '1') throw new Error(`${variable}=1, but there is ${reason}`)
  console.error(`\nSKIPPED: there is ${reason}. ${variable}=1 makes this a failure.\n`)
  return reason
}

/** The reason to skip tests that need these programs, or false. Throws as `skipBecause` does. */
export function skipWithoutPrograms(programs: readonly string[], variable: string): string | false {
  const missing = programs.filter((program) => !isOnPath(program))
  return missing.length > 0 && skipBecause(`no ${missing.join(' and ')} on the PATH`, variable)
}

export function isOnPath(program: string, searchPath = process.env.PATH): boolean {
  try {
    execFileSync('/bin/sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore', env: { PATH: searchPath } })
    return true
  } catch {
    return false
  }
}
