import { randomBytes } from 'node:crypto'
import { ConfigError } from '../../config/faults.ts'
import { findListeners, loadConfig } from '../../config/load.ts'
import { version } from '../app/version.ts'
import { parseCommand } from './args.ts'
import { checkHealth } from './health.ts'

/** Runs the command of a command line. Sets the exit code of the process. */
export async function run(args: readonly string[]): Promise<void> {
  const command = parseCommand(args)
  try {
    switch (command.name) {
      case 'help':
        process.stdout.write(command.text)
        break
      case 'version':
        console.log(version)
        break
      case 'generate-key':
        console.log(randomBytes(32).toString('hex'))
        break
      case 'usage-error':
        console.error(`elastauth: ${command.message}\nTry: elastauth --help`)
        process.exitCode = 2
        break
      case 'import':
        ;(await import('./import.ts')).importConfig(command.file)
        break
      case 'check': {
        const { config, warnings, file } = loadConfig({ ...command, env: process.env })
        for (const warning of warnings) console.error(`warning: ${warning}`)
        console.log(`Configuration OK (${file ?? 'environment only'})`)
        if (command.connect) process.exitCode = await (await import('./check.ts')).checkConnections(config)
        break
      }
      case 'health':
        // Only the listeners are needed: a fault in a file that changed after the start must not fail the health check
        process.exitCode = await checkHealth(findListeners({ ...command, env: process.env }))
        break
      case 'serve':
        // Loaded only here, so that the other commands start faster, above all the health check of a container
        await (await import('./serve.ts')).serve(() => loadConfig({ ...command, env: process.env }))
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(`elastauth: ${error.message}`)
    process.exitCode = 1
  }
}
