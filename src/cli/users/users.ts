import type { Config } from '../../../config/schema.ts'
import { GatewayError } from '../../http/errors.ts'
import type { UsersCommand } from '../args.ts'
import { connect } from './connect.ts'
import { listUsers } from './list.ts'

/** The commands `elastauth users …`. @returns the exit code */
export async function runUsersCommand(command: UsersCommand, config: Config): Promise<0 | 1> {
  stopWhenReaderEnds()
  const connections = await connect(config)
  try {
    switch (command.action) {
      case 'list':
        return await listUsers(connections, { json: command.switches.includes('json') })
    }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    console.error(`elastauth: ${error.detail}`)
    return 1
  } finally {
    connections.close()
  }
}

/** The reader of a pipe may end early, as `head` does. */
function stopWhenReaderEnds(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
}
