import type { Config } from '../../config/schema.ts'
import { asGatewayError } from '../http/errors.ts'
import { escapeControls } from '../http/escape-controls.ts'

export type Status = 'ok' | 'warning' | 'failure' | 'skipped'

/** What a check has found. `fix` says what to do; for `ok`, where to look if users still have a problem. */
export type Finding = Readonly<{ status: Status; detail: string; fix?: string | undefined }>

export type Check = Readonly<{
  /** The checks of several servers of a kind share their id. */
  id: string
  title: string
  /** The id of the checks of which at least one has to succeed first. */
  after?: string | undefined
  /** @param signal is aborted at the deadline */
  run: (signal: AbortSignal) => Promise<Finding | readonly Finding[]>
}>

export type Result = Finding & Pick<Check, 'id' | 'title'>

/**
 * The deadline of all checks together, in milliseconds: a dead host delays the report to at most 5 s after the start, or half of
 * `elasticsearch.timeout` where a longer one is set for a slow cluster.
 */
export function deadlineOf({ elasticsearch }: Config): number {
  return Math.max(5000, elasticsearch.timeout / 2) - 500
}

/** The maximum time limit of a call or connection in a check, in milliseconds: its fault is reported before the deadline. */
export function callLimitOf(config: Config): number {
  return deadlineOf(config) - 500
}

/** Runs all checks at the same time. @param signal aborts at the deadline @param onDone called when a check is done. @returns the results in the order of the checks */
export async function runChecks(
  checks: readonly Check[],
  options: Readonly<{ deadlineMs: number; signal?: AbortSignal; onDone?: () => void }>,
): Promise<Result[]> {
  const { deadlineMs, signal = AbortSignal.timeout(deadlineMs), onDone = () => {} } = options
  const results = new Map<Check, Promise<Result[]>>()
  for (const check of checks)
    results.set(
      check,
      Promise.resolve().then(() => runAfterOthers(check)),
    )
  return (await Promise.all(results.values())).flat()

  async function runAfterOthers(check: Check): Promise<Result[]> {
    const needed = checks.filter(({ id }) => id === check.after)
    const isPossible = needed.length === 0 || (await anySucceeds(needed.map((other) => results.get(other)!)))
    const found = isPossible
      ? await runWithin({ deadlineMs, signal }, check)
      : [skipped(`needs "${needed[0]!.title}" to succeed`)]
    onDone()
    return found.map((finding) => sanitized(check, finding))
  }
}

export const ok = (detail: string, fix?: string): Finding => ({ status: 'ok', detail, fix })
export const warning = (detail: string, fix?: string): Finding => ({ status: 'warning', detail, fix })
export const failure = (detail: string, fix?: string): Finding => ({ status: 'failure', detail, fix })
export const skipped = (detail: string): Finding => ({ status: 'skipped', detail })

/** The failure that an error describes. Without `fix`, the fix in its message is used, if it has one. */
export function failureOf(error: unknown, fix?: string): Finding {
  const [problem, own] = splitFix(asGatewayError(error).detail)
  return failure(problem, fix ?? own)
}

/** Splits a message of elastauth into the problem and, if it says so, what to do. */
export function splitFix(detail: string): readonly [problem: string, fix: string | undefined] {
  const [problem = '', ...advice] = detail.split(adviceStart)
  return [problem, advice.length === 0 ? undefined : advice.join('; ')]
}

const adviceStart = /[:;] (?=(?:add|correct|create|give|let|look|point|put|register|route|set|write) )/

type Deadline = Readonly<{ deadlineMs: number; signal: AbortSignal }>

async function anySucceeds(others: readonly Promise<readonly Result[]>[]): Promise<boolean> {
  const successes = others.map(async (results) => {
    if ((await results).some(({ status }) => status === 'failure' || status === 'skipped')) throw new Error('failed')
  })
  return Promise.any(successes).then(
    () => true,
    () => false,
  )
}

async function runWithin({ deadlineMs, signal }: Deadline, { run }: Check): Promise<readonly Finding[]> {
  const { promise: timedOut, resolve } = Promise.withResolvers<Finding>()
  const onAbort = () =>
    resolve(failure(`no result within ${deadlineMs / 1000} s`, 'look for a firewall, or a server that hangs'))
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort)
  try {
    return [await Promise.race([timedOut, run(signal)])].flat()
  } catch (error) {
    return [failureOf(error)]
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Servers control parts of the texts. */
function sanitized({ id, title }: Check, { status, detail, fix }: Finding): Result {
  const clean = (text: string) => escapeControls(text.slice(0, maxTextLength))
  return { id, title, status, detail: clean(detail), ...(fix !== undefined && { fix: clean(fix) }) }
}

const maxTextLength = 2000
