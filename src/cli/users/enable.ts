import { escapeControls } from '../../http/escape-controls.ts'
import { toJson } from '../print.ts'
import type { Connections } from './connect.ts'

/** `elastauth users enable NAME`. A revocation stays: the person has to sign in again. */
export async function enableUser(
  { administration }: Pick<Connections, 'administration'>,
  username: string,
  { json, dryRun }: Readonly<{ json: boolean; dryRun: boolean }>,
): Promise<0> {
  const { stored } = await administration.find(username)
  const changes = dryRun ? !stored.enabled : await administration.enable(username)
  const text = changes ? (dryRun ? 'would be enabled' : 'enabled') : 'is enabled already'
  console.log(json ? toJson({ username, dry_run: dryRun, changed: changes }) : `${escapeControls(username)}: ${text}`)
  return 0
}
