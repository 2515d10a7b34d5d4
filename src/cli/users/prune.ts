import type { Retention, RetentionAction } from '../../auth/credentials/retention/retention.ts'
import { asGatewayError, GatewayError } from '../../http/errors.ts'
import { escapeControls } from '../../http/escape-controls.ts'
import type { Connections } from './connect.ts'
import { print, toJson } from './describe.ts'

const pageSize = 100

/**
 * `elastauth users prune`: disables and deletes users as the sweep does, in one pass now. One line per user, or one JSON object
 * per line. @returns 1 if a user could not be disabled or deleted
 */
export async function pruneUsers(
  { directory, retention }: Pick<Connections, 'directory' | 'retention'>,
  { json, dryRun }: Readonly<{ json: boolean; dryRun: boolean }>,
): Promise<0 | 1> {
  if (retention === undefined) {
    console.error('elastauth: no user is pruned: set user_retention.disable_after or user_retention.delete_after')
    return 1
  }
  let hasFailed = false
  for (let after: string | undefined; ; ) {
    const page = await directory.page(after, pageSize)
    for (const { username, ...stored } of page) {
      const due = retention.dueFor(stored)
      if (due === undefined) continue
      const outcome = dryRun ? { action: due } : await prune(retention, username)
      hasFailed ||= outcome.failure !== undefined
      await printOutcome({ username, dry_run: dryRun }, outcome, json)
    }
    after = page.at(-1)?.username
    if (page.length < pageSize) return hasFailed ? 1 : 0
  }
}

type Outcome = Readonly<{ action?: RetentionAction | undefined; failure?: string }>

/** A user whom Elasticsearch rejects does not stop the others. Rejects with GatewayError elasticsearch_unavailable. */
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
  enabled: 'enabled by an administrator, and kept',
}

async function printOutcome(
  user: Readonly<{ username: string; dry_run: boolean }>,
  { action, failure }: Outcome,
  json: boolean,
): Promise<void> {
  const name = escapeControls(user.username)
  if (failure !== undefined) console.error(`elastauth: ${name}: ${failure}`)
  if (action === undefined) return // the user came back
  const text = `${name}: ${user.dry_run ? 'would be ' : ''}${actions[action]}`
  await print(`${json ? toJson({ ...user, action }) : text}\n`)
}
