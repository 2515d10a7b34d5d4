import { ConfigError } from '../../config/faults.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { deadlineOf, type Result, runChecks, type Status } from '../doctor/check.ts'
import { faultsAsResults } from '../doctor/configuration.ts'
import { createChecks } from '../doctor/doctor.ts'
import { listenFault } from './listen-fault.ts'

/**
 * The command `elastauth doctor`: prints a line for each result in the order of the checks, or with `json` one document.
 * @returns the exit code: 0, or 1 if there are only warnings, or 2 if a check has failed
 */
export async function runDoctor(
  load: () => Promise<LoadedConfig>,
  { json }: Readonly<{ json: boolean }>,
): Promise<0 | 1 | 2> {
  const results = await collect(load)
  const status =
    (['failure', 'warning'] as const).find((one) => results.some((result) => result.status === one)) ?? 'ok'
  const hasColor = process.stdout.isTTY === true && !process.env.NO_COLOR
  console.log(
    json
      ? JSON.stringify({ status, checks: results }, null, 2)
      : results.map((result) => lineOf(result, hasColor)).join('\n'),
  )
  return exitCodes[status]
}

const exitCodes = { ok: 0, warning: 1, failure: 2 } as const

async function collect(load: () => Promise<LoadedConfig>): Promise<Result[]> {
  try {
    const loaded = await load()
    const { checks, close } = await createChecks(loaded, { explainListenError: (error) => listenFault(error, loaded) })
    const deadlineMs = deadlineOf(loaded.config)
    const progress = showProgress(checks.length, deadlineMs)
    try {
      return await runChecks(checks, { deadlineMs, onDone: progress.advance })
    } finally {
      progress.clear()
      close()
    }
  } catch (error) {
    if (error instanceof ConfigError) return faultsAsResults(error)
    throw error
  }
}

/** On a terminal, a line that says how many checks are done. It is on standard error, apart from the results. */
function showProgress(total: number, deadlineMs: number) {
  const write =
    process.stderr.isTTY === true ? (text: string) => void process.stderr.write(`\r\x1b[K${text}`) : () => {}
  let done = 0
  const draw = () => write(`${done} of ${total} checks done, at most ${deadlineMs / 1000} s …`)
  draw()
  return {
    advance() {
      done++
      draw()
    },
    clear: () => write(''),
  }
}

const signs: Readonly<Record<Status, readonly [sign: string, color: number]>> = {
  ok: ['✓', 32],
  warning: ['!', 33],
  failure: ['✗', 31],
  skipped: ['-', 2],
}

function lineOf({ status, title, detail, fix }: Result, hasColor: boolean): string {
  const [sign, color] = signs[status]
  const colored = hasColor ? `\x1b[${color}m${sign}\x1b[0m` : sign
  return `${colored} ${title}: ${detail}${fix === undefined ? '' : `\n    ${fix}`}`
}
