import { help, readArguments } from './arguments.ts'
import { callers } from './callers/index.ts'
import { type Result, runSuite } from './suite.ts'
import { lineFor, sumFor } from './table.ts'

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  try {
    const wanted = readArguments(args)
    if (wanted === undefined) {
      process.stdout.write(help)
      return 0
    }
    const { profiles, subject } = wanted
    const sums: string[] = []
    let isWell = true
    for (const profile of profiles) {
      console.log(`\n${profile} asks ${subject.url.href}`)
      const results = await runSuite(callers.get(profile)!, subject, (result: Result) => console.log(lineFor(result)))
      isWell &&= results.every(({ fault }) => fault === undefined)
      sums.push(sumFor(profile, results))
    }
    console.log(`\n${sums.join('\n')}`)
    return isWell ? 0 : 1
  } catch (error) {
    console.error(`conformance: ${(error as Error).message || String(error)}`)
    return 2
  }
}
