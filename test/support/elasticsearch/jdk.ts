import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const oldest = 17

/** The commands of one JDK, as to be spawned. */
export type Jdk = { java: string; javac: string; jar: string; version: number }

/** Finds a JDK of version 17 or later, in JAVA_HOME or else on the PATH; a string says why there is none. */
export async function findJdk(): Promise<Jdk | string> {
  const home = process.env.JAVA_HOME
  const reasons: string[] = []
  for (const directory of home ? [join(home, 'bin'), ''] : ['']) {
    const place = directory || 'the PATH'
    const command = (name: string) => (directory ? join(directory, name) : name)
    const [java, javac] = await Promise.all([versionOf(command('java')), versionOf(command('javac'))])
    if (java >= oldest && javac >= oldest) {
      return { java: command('java'), javac: command('javac'), jar: command('jar'), version: java }
    }
    const missing = java === 0 ? 'no java' : javac === 0 ? 'no javac (a JDK is needed, not only a JRE)' : ''
    reasons.push(`${missing || `Java ${Math.min(java, javac)}, ${oldest} is needed`} in ${place}`)
  }
  return reasons.join('; ')
}

/** The feature release (17 of 17.0.15); 0 where the command does not run. Java 8 calls itself 1.8 and so counts as 1. */
async function versionOf(command: string): Promise<number> {
  try {
    const { stdout, stderr } = await run(command, ['-version'])
    return Number(/(?:version "|javac )(\d+)/.exec(stdout + stderr)?.[1] ?? 0)
  } catch {
    return 0
  }
}
