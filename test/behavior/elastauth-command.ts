import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { compileCache } from '../support/compile-cache.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export type CommandResult = Readonly<{ code: number | null; stdout: string; stderr: string }>

const environment = (env: Readonly<Record<string, string>>) => ({ PATH: process.env.PATH, ...compileCache, ...env })

/** Runs a command of elastauth until it exits. @param input what it reads from standard input */
export function runElastauth(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input?: string | Buffer,
): Promise<CommandResult> {
  return runCommand(process.execPath, [main, ...args], environment(env), input)
}

/** Arguments for `node` that let `elastauth health` wait an hour for a response. */
export const patientHealth = ['--import', new URL('../support/patient-health.ts', import.meta.url).href]

/** Runs `elastauth health` with these flags. */
export function runHealth(
  flags: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  return runCommand(process.execPath, [...patientHealth, main, 'health', ...flags], environment(env))
}

/** Runs a command of elastauth whose reader ends, as `head` does: at once, or when the first output has arrived. */
export async function runWithoutReader(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  endsAt: 'start' | 'first output',
) {
  const child = spawn(process.execPath, [main, ...args], { env: environment(env) })
  const end = () => child.stdout.destroy()
  if (endsAt === 'start') end()
  else child.stdout.once('data', end)
  const [[code, signal], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)])
  return { code, signal, stderr }
}

/** Runs a command until it exits. */
export async function runCommand(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  input?: string | Buffer,
): Promise<CommandResult> {
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => {}) // a command that does not read its input
  child.stdin.end(input)
  const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr }
}
