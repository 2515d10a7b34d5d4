import type { Config } from '../../../config/schema.ts'
import { checkIdentity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import type { UsersCommand } from '../args.ts'
import { handleEndOfReader } from '../end-of-reader.ts'
import type { UsersSwitch } from '../options.ts'
import { type Connections, connect } from './connect.ts'
import { enableUser } from './enable.ts'
import { listUsers } from './list.ts'
import { pruneUsers } from './prune.ts'
import { revokeUser } from './revoke.ts'
import { showUser } from './show.ts'

/** The commands `elastauth users …`. @returns the exit code */
export async function runUsersCommand(command: UsersCommand, config: Config): Promise<0 | 1> {
  if (command.action === 'list' || command.action === 'show') handleEndOfReader(() => process.exit(0))
  let connections: Connections | undefined
  try {
    // Names that elastauth would not manage, such as reserved ones, are rejected before anything is read.
    if (command.username !== undefined) checkName(command.username, config)
    connections = await connect(config, command.action !== 'list')
    return await run(command, connections, config)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    const isDown = error.code === 'elasticsearch_unavailable' || error.code === 'elasticsearch_rejected'
    console.error(`elastauth: ${error.detail}${isDown ? ': `elastauth doctor` finds the cause' : ''}`)
    return 1
  } finally {
    connections?.close()
  }
}

function run({ action, username = '', switches }: UsersCommand, connections: Connections, config: Config) {
  const has = (name: UsersSwitch) => switches.includes(name)
  const json = has('json')
  const dryRun = has('dry-run') || config.elasticsearch.dry_run
  switch (action) {
    case 'list':
      return listUsers(connections, { json })
    case 'show':
      return showUser(connections, username, { json })
    case 'revoke':
      return revokeUser(
        connections,
        username,
        { disable: has('disable'), apiKeys: has('api-keys'), json, dryRun },
        config,
      )
    case 'enable':
      return enableUser(connections, username, { json, dryRun })
    case 'prune':
      return pruneUsers(connections, { json, dryRun })
  }
}

function checkName(username: string, config: Config): void {
  checkIdentity({ username, groups: [], provider: '' }, config.elasticsearch.username ?? undefined)
}
