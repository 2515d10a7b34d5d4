import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Major, majors, minJava, requestedMajor } from './versions.ts'

const run = promisify(execFile)

/** The commands of one Java installation. Without `javac` it is a runtime only, and Eclipse's compiler is used. */
export type Java = Readonly<{ java: string; javac: string | undefined; version: number }>

/**
 * The first Java that is new enough, in JAVA_HOME or on the PATH, and the version of Elasticsearch that it runs: the requested
 * one, or the newest one that it supports. A string gives the reason if there is none.
 */
export async function findJava(major = requestedMajor()): Promise<{ java: Java; major: Major } | string> {
  const lowest = major ?? majors.at(-1)!
  const oldest = minJava[lowest]
  const home = process.env.JAVA_HOME
  const reasons: string[] = []
  for (const directory of home ? [join(home, 'bin'), ''] : ['']) {
    const command = (name: string) => (directory ? join(directory, name) : name)
    const [version, compiler] = await Promise.all([versionOf(command('java')), versionOf(command('javac'))])
    if (version >= oldest) {
      const java = { java: command('java'), javac: compiler >= oldest ? command('javac') : undefined, version }
      return { java, major: major ?? majors.find((one) => minJava[one] <= version)! }
    }
    reasons.push(`${version === 0 ? 'no java' : `Java ${version}`} ${directory ? `in ${directory}` : 'on the PATH'}`)
  }
  return `${reasons.join('; ')}; Elasticsearch ${lowest} needs Java ${oldest} or later`
}

/** The feature release (17 of 17.0.15); 0 if the command does not run. Java 8 reports 1.8 and so counts as 1. */
async function versionOf(command: string): Promise<number> {
  try {
    const { stdout, stderr } = await run(command, ['-version'])
    return Number(/(?:version "|javac )(\d+)/.exec(stdout + stderr)?.[1] ?? 0)
  } catch {
    return 0
  }
}
