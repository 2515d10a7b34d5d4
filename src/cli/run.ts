import { ConfigError } from '../../config/faults.ts'
import { providersOf } from '../../config/header-presets.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { type ConfigSource, findListeners, findSecretKeys, openConfigFile } from '../../config/read-settings.ts'
import { version } from '../app/version.ts'
import { type ConfigArguments, parseCommand } from './args.ts'
import { handleEndOfReader } from './end-of-reader.ts'

/**
 * Runs the command of a command line. Sets the exit code of the process. Each command imports only what it needs, above
 * all `health`, which containers run every few seconds.
 */
export async function run(args: readonly string[]): Promise<void> {
  const command = parseCommand(args)
  if (command.name !== 'serve') handleEndOfReader() // `serve` has its own output
  try {
    switch (command.name) {
      case 'help':
        process.stdout.write(command.text)
        break
      case 'version':
        console.log(version)
        break
      case 'generate-key':
        console.log((await import('node:crypto')).randomBytes(32).toString('hex'))
        break
      case 'hash-password':
        process.exitCode = await (await import('./hash-password.ts')).printPasswordHash()
        break
      case 'usage-error':
        console.error(`elastauth: ${command.message}\nTry: elastauth --help`)
        process.exitCode = command.exitCode ?? 2
        break
      case 'explain': {
        const { config } = await load(command)
        process.exitCode = await (await import('./explain.ts')).printExplanation(config, command)
        break
      }
      case 'plan': {
        const { config: current } = await load(command)
        const { config: next } = await load({ file: command.next, flags: command.flags })
        process.exitCode = await (await import('./plan.ts')).printPlan(current, next, command)
        break
      }
      case 'import':
        ;(await import('./import.ts')).importConfig(command.file)
        break
      case 'audit-verify': {
        const { verifyAuditLog } = await import('./audit-verify.ts')
        const source = await openSource({ ...command, flags: {} })
        process.exitCode = await verifyAuditLog(command.files, findSecretKeys(source))
        break
      }
      case 'check': {
        const { config, warnings, file } = await load(command)
        if (providersOf(config).includes('users'))
          (await import('../../config/sources/users-file.ts')).readUsers(config)
        for (const warning of warnings) console.error(`warning: ${warning}`)
        console.log(`Configuration OK (${file ?? 'environment only'})`)
        if (command.connect) process.exitCode = await (await import('./check.ts')).checkConnections(config)
        break
      }
      case 'users': {
        const { config } = await load(command)
        process.exitCode = await (await import('./users/users.ts')).runUsersCommand(command, config)
        break
      }
      case 'doctor': {
        const { runDoctor } = await import('./doctor.ts')
        const code = await runDoctor(() => load(command), command)
        process.exit(code) // a resolver that hangs would keep the process alive
        break
      }
      case 'health': {
        const { checkHealth } = await import('./health.ts')
        // Only the listeners are needed: a fault in a file that changed after the start must not fail the health check
        process.exitCode = await checkHealth(findListeners(await openSource(command)))
        break
      }
      case 'serve':
        await (await import('./serve.ts')).serve(() => load(command))
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(`elastauth: ${error.message}`)
    process.exitCode = command.name === 'explain' ? 2 : 1
  }
}

/** Most commands need the whole configuration; the others do not load its schema. */
async function load(sources: ConfigArguments): Promise<LoadedConfig> {
  const { loadConfig } = await import('../../config/load.ts')
  return loadConfig(await openSource(sources))
}

async function openSource({ file, flags }: ConfigArguments): Promise<ConfigSource> {
  return { file: await openConfigFile(file), flags, env: process.env }
}
