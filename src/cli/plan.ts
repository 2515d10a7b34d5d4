import type { Config } from '../../config/schema.ts'
import { elasticsearchOptions } from '../app/options/elasticsearch.ts'
import { roleRules } from '../app/options/handlers.ts'
import { createCommandClient } from '../es/command-client.ts'
import { asGatewayError } from '../http/errors.ts'
import { escapeControls } from '../http/escape-controls.ts'
import { compareRoles, describeChanges, type RoleChange } from '../plan/compare-roles.ts'
import type { PlanCommand } from './args.ts'
import { print, toJson } from './print.ts'

/**
 * The command `elastauth plan`: prints whose roles a new configuration changes. It only reads Elasticsearch.
 * @returns the exit code: 2 if more than `maxGains` users gain roles, 1 if Elasticsearch cannot be read
 */
export async function printPlan(
  current: Config,
  next: Config,
  { json, maxGains = Number.POSITIVE_INFINITY }: Pick<PlanCommand, 'json' | 'maxGains'>,
): Promise<0 | 1 | 2> {
  if (current.elasticsearch.dry_run) {
    console.error(
      'elastauth: plan reads the users of Elasticsearch, and elasticsearch.dry_run is true: set it to false',
    )
    return 1
  }
  const { users, close } = createCommandClient(elasticsearchOptions(current))
  const changes = createChangeWriter(json)
  try {
    const [before, after] = [roleRules(current), roleRules(next)]
    const counts = await compareRoles({ page: users.page, before, after, onChange: changes.write })
    const { isIncomplete: _, ...summary } = counts
    changes.end({ ...summary, ...(Number.isFinite(maxGains) && { max_gains: maxGains }) }, describeChanges(counts))
    if (counts.gaining <= maxGains) return 0
    console.error(`elastauth: users who gain roles: ${counts.gaining}, more than --max-gains ${maxGains} allows`)
    return 2
  } catch (error) {
    changes.abort()
    console.error(
      `elastauth: the users of Elasticsearch cannot be listed: ${asGatewayError(error).detail}: \`elastauth doctor\` finds the cause`,
    )
    return 1
  } finally {
    void close()
  }
}

/** Writes each change as it is found, and waits for a slow reader, so that memory does not grow with the number of users. */
function createChangeWriter(json: boolean) {
  let written = 0
  const write = (change: RoleChange): Promise<void> => {
    if (!json) return print(`${formatChange(change)}\n`)
    const { username, gains, loses, hasNoRole: denied } = change
    return print(`${written++ === 0 ? '{"users":[\n' : ',\n'}${toJson({ username, gains, loses, denied })}`)
  }
  return {
    write,
    end(summary: object, text: string) {
      if (json) console.log(`${written === 0 ? '{"users":[' : '\n'}],"summary":${JSON.stringify(summary)}}`)
      else console.log(`By the groups that Elasticsearch has stored: ${text}`)
    },
    /** The JSON document stays incomplete and so invalid, so that a program does not mistake it for the whole list. */
    abort() {
      if (json && written > 0) console.log()
    },
  }
}

function formatChange({ username, gains, loses, hasNoRole }: RoleChange): string {
  const parts = [
    ...(gains.length > 0 ? [`gains ${gains.join(', ')}`] : []),
    ...(loses.length > 0 ? [`loses ${loses.join(', ')}`] : []),
  ]
  return escapeControls(`${username}: ${parts.join('; ')}${hasNoRole ? ' (no role is left: access is denied)' : ''}`)
}
