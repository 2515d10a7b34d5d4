import { ConfigError } from '../../config/faults.ts'
import { providersOf } from '../../config/header-presets.ts'
import type { LoadedConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { type App, createApp } from '../app/app.ts'
import { version } from '../app/version.ts'
import type { ListenerScope } from '../http/handler.ts'
import { createLog, type Logger } from '../observability/log.ts'
import { openLogOutput } from '../observability/log-output.ts'

/** Runs until SIGTERM or SIGINT, then drains. SIGHUP reads the configuration again. Throws ConfigError. */
export async function serve(load: () => LoadedConfig): Promise<void> {
  const { config, warnings, file } = load()
  const output = openLogOutput((lines) => log.warn(`${lines} log lines were lost: nobody took them`))
  const log = createLog({ level: config.log_level, format: config.log_format, destination: output })
  for (const warning of warnings) log.warn(warning)
  const stopped = Promise.race([once('SIGTERM'), once('SIGINT')]) // from now on: as a container's first process we have no other
  const app = await createApp(config, log)
  const onHangUp = () => reload(app, log, load)
  process.on('SIGHUP', onHangUp)
  try {
    announce(log, config, await app.listen(), file)
  } catch (error) {
    throw new ConfigError([listenFault(error as NodeJS.ErrnoException & { serves?: ListenerScope })])
  }
  await stopped
  process.on('SIGHUP', () => {}).off('SIGHUP', onHangUp) // heard by nobody, it would end us at once
  log.info('stopping: requests under way are finished first')
  await app.close()
  log.info('stopped')
  await output.close()
  process.exit(0) // a call to Elasticsearch that hangs would keep us
}

function announce(log: Logger, config: Config, addresses: readonly string[], file: string | undefined): void {
  const pages = addresses.slice(0, config.listen.length)
  const subRequests = addresses.slice(config.listen.length)
  const where = subRequests.length === 0 ? '' : ` (pages) and ${subRequests.join(', ')} (sub-requests)`
  log.info(
    `elastauth ${version} listens on ${pages.join(', ')}${where} as ${modeOf(config)}; identities from ${providersOf(config).join(', then ')}; ` +
      `trusted peers: ${config.trusted_proxies.join(', ')}${config.proxy_secret === null ? '' : ' with the proxy secret'}; configuration: ${file ?? 'environment only'}`,
  )
}

function modeOf({ proxy }: Config): string {
  if (!proxy.enabled) return 'forward-auth responder'
  const upstreams = [...proxy.routes.flatMap((route) => route.upstreams), proxy.elasticsearch_url]
  return `proxy of ${[...new Set(upstreams.filter((url) => url !== null))].join(', ')}`
}

/** A configuration that is broken leaves the old one in force. */
function reload(app: App, log: Logger, load: () => LoadedConfig): void {
  try {
    const { config, warnings } = load()
    for (const warning of warnings) log.warn(warning)
    const ignored = app.reload(config)
    const rest = ignored.length > 0 ? `; these changed keys need a restart: ${ignored.join(', ')}` : ''
    log.info(
      `configuration reloaded: trust, roles, headers, forward-auth profile and certificates are the new ones${rest}`,
    )
  } catch (error) {
    log.error(
      `configuration not reloaded, the old one stays: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

function once(signal: 'SIGTERM' | 'SIGINT'): Promise<void> {
  return new Promise((resolve) => process.once(signal, () => resolve()))
}

function listenFault({ code, message, serves }: NodeJS.ErrnoException & { serves?: ListenerScope }) {
  const key = serves === 'sub-requests' ? 'forward_auth.listen' : 'listen'
  const problem = code === 'EADDRINUSE' ? `is in use by another program (${message})` : `cannot be had (${message})`
  const fix =
    code === 'EADDRINUSE' ? `stop the other program, or choose another address with --${key}` : 'choose another'
  return { key, problem, fix }
}
