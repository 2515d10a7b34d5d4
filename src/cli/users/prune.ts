import type { Retention, RetentionAction } from '../../auth/credentials/retention/retention.ts'
import { userPages } from '../../auth/credentials/user-pages.ts'
import { asGatewayError, GatewayError } from '../../http/errors.ts'
import { escapeControls } from '../../http/escape-controls.ts'
import { print, toJson } from '../print.ts'
import type { Connections } from './connect.ts'

/**
 * `elastauth users prune`: disables and deletes users as the sweep does, in one pass now. One line per user, or one JSON object
 * per line. @returns 1 if a user could not be disabled or deleted
 */
export async function pruneUsers(
  { directory, retention }: Pick<Connections, 'directory' | 'retention'>,
  { json, dryRun }: Readonly<{ json: boolean; dryRun: boolean }>,
): Promise<0 | 1> {
  if (retention === undefined) {
    console.error(
      'elastauth: user_retention is not configured: set user_retention.disable_after or user_retention.delete_after',
    )
    return 1
  }
  let hasFailed = false
  for await (const page of userPages(directory.page)) {
    for (const { username, ...stored } of page) {
      const due = retention.dueFor(stored)
      if (due === undefined) continue
      const outcome = dryRun ? { action: due } : await prune(retention, username)
      hasFailed ||= outcome.failure !== undefined
      await printOutcome({ username, dry_run: dryRun }, outcome, json)
    }
  }
  return hasFailed ? 1 : 0
}

type Outcome = Readonly<{ action?: RetentionAction | undefined; failure?: string }>

/** The pass continues after a user whom Elasticsearch rejects. Rejects with GatewayError elasticsearch_unavailable. */
async function prune(retention: Retention, username: string): Promise<Outcome> {
  try {
    return { action: await retention.apply(username) }
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'elasticsearch_unavailable') throw error
    return { failure: asGatewayError(error).detail }
  }
}

const actions: Readonly<Record<RetentionAction, string>> = {
  disabled_idle: 'disabled',
  deleted: 'deleted',
  enabled: 'kept, because an administrator has enabled the user',
}

async function printOutcome(
  user: Readonly<{ username: string; dry_run: boolean }>,
  { action, failure }: Outcome,
  json: boolean,
): Promise<void> {
  const name = escapeControls(user.username)
  if (failure !== undefined) console.error(`elastauth: ${name}: ${failure}`)
  if (action === undefined) return // nothing is due any more, for example because the user has signed in
  const text = `${name}: ${user.dry_run ? 'would be ' : ''}${actions[action]}`
  await print(`${json ? toJson({ ...user, action }) : text}\n`)
}
