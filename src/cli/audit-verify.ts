import { createReadStream } from 'node:fs'
import { deriveAuditKeys } from '../audit/chain.ts'
import { createVerifier, maxLineBytes, type Summary, type Verifier } from '../audit/verify.ts'

/** Further faults are only counted. */
const maxShown = 100
const newline = 10

/** Verifies files of the audit log, in this order, and prints what is wrong. @returns the exit code */
export async function verifyAuditLog(files: readonly string[], secretKeys: readonly string[]): Promise<0 | 1 | 2> {
  if (secretKeys.length === 0)
    return fail('there is no valid secret key: set ELASTAUTH_SECRET_KEY, or name the configuration with --config')
  let faults = 0
  const verifier = createVerifier(deriveAuditKeys(secretKeys), ({ place, problem }) => {
    if (++faults <= maxShown) console.log(`${place}: ${problem}`)
  })
  for (const file of files) {
    try {
      await checkLines(file, verifier)
    } catch (error) {
      return fail(`cannot verify ${file}: ${(error as Error).message}`)
    }
  }
  if (faults > maxShown) console.log(`${faults - maxShown} further faults are not shown`)
  const summary = verifier.summarize()
  if (summary.records === 0 && faults === 0) return fail('the files contain no record')
  printSummary(summary, faults)
  return faults === 0 ? 0 : 1
}

function fail(message: string): 2 {
  console.error(`elastauth: ${message}`)
  return 2
}

function printSummary({ records, dropped, chains, unfinished }: Summary, faults: number): void {
  const what = `${records} ${records === 1 ? 'record' : 'records'} of ${chains} ${chains === 1 ? 'chain' : 'chains'}`
  console.log(faults === 0 ? `OK: ${what}` : `${faults} ${faults === 1 ? 'fault' : 'faults'} in ${what}`)
  if (dropped > 0) console.log(`elastauth itself states that it dropped ${dropped} events while it could not write`)
  if (unfinished.length > 0) {
    const more = unfinished.length > 10 ? ` and ${unfinished.length - 10} more` : ''
    console.log(
      `without a last record, because the process is running or was killed, or the chain was truncated: ${unfinished.slice(0, 10).join(', ')}${more}`,
    )
  }
  console.log(
    'Not detectable: a truncated chain, a chain that is missing as a whole, and changes by someone with the secret key.',
  )
}

/** Reads a file in bounded memory. Rejects if it cannot be read. */
async function checkLines(file: string, verifier: Verifier): Promise<void> {
  let parts: Buffer[] = []
  let length = 0
  let number = 1

  const add = (part: Buffer) => {
    length += part.length
    if (length <= maxLineBytes) parts.push(part)
    else parts = []
  }
  const lineSoFar = () => (length <= maxLineBytes ? Buffer.concat(parts) : undefined)
  for await (const chunk of createReadStream(file)) {
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end))
      verifier.check(lineSoFar(), `${file}:${number++}`)
      parts = []
      length = 0
      start = end + 1
    }
    add(chunk.subarray(start))
  }
  verifier.checkEnd(lineSoFar(), `${file}:${number}`)
}
