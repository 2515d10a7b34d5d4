import { runElastauth } from './elastauth-command.ts'

type Result = Readonly<{ id: string; title: string; status: string; detail: string; fix?: string }>

export type Report = Readonly<{ code: number | null; status: string; checks: readonly Result[]; output: string }>

/** Runs `elastauth doctor --json`. Rejects if it prints anything else than the document. */
export async function runDoctor(
  flags: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>>,
): Promise<Report> {
  const args = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, value])
  const { code, stdout, stderr } = await runElastauth(['doctor', '--json', ...args], env)
  if (stderr !== '') throw new Error(stderr)
  return { ...JSON.parse(stdout), code, output: stdout }
}
