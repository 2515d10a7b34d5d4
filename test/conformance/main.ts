import { help, readArguments } from './arguments.ts'
import { callers } from './callers/index.ts'
import { type Result, runSuite } from './suite.ts'
import { lineFor, summaryFor } from './table.ts'

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readArguments(args)
    if (options === undefined) {
      process.stdout.write(help)
      return 0
    }
    const { profiles, subject } = options
    const summaries: string[] = []
    let hasPassed = true
    for (const profile of profiles) {
      console.log(`\n${profile} at ${subject.url.href}`)
      const results = await runSuite(callers.get(profile)!, subject, (result: Result) => console.log(lineFor(result)))
      hasPassed &&= results.every(({ fault }) => fault === undefined)
      summaries.push(summaryFor(profile, results))
    }
    console.log(`\n${summaries.join('\n')}`)
    return hasPassed ? 0 : 1
  } catch (error) {
    console.error(`conformance: ${(error as Error).message || String(error)}`)
    return 2
  }
}
