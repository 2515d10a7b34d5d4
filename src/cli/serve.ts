import { ConfigError } from '../../config/faults.ts'
import { providersOf } from '../../config/header-presets.ts'
import type { LoadedConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { type App, createApp } from '../app/app.ts'
import { upstreamUrls } from '../app/options/proxy.ts'
import { version } from '../app/version.ts'
import { logEvent } from '../observability/events.ts'
import { createLog, type Logger } from '../observability/log.ts'
import { type LogOutput, openLogOutput } from '../observability/log-output.ts'
import { type ListenError, listenFault } from './listen-fault.ts'

/**
 * Runs until SIGTERM or SIGINT, then shuts down gracefully. SIGHUP reloads the configuration.
 * @throws {ConfigError} for an invalid configuration, or an address that cannot be listened on
 */
export async function serve(load: () => Promise<LoadedConfig>): Promise<void> {
  let isReloadPending = false
  let reload = () => {
    isReloadPending = true
  }
  process.on('SIGHUP', () => reload())
  const { config, warnings, file, locate } = await load()
  const output = openLogOutput((lines) => log.warn(`${lines} log lines were lost: the reader of the log is too slow`))
  const log = await createLog({ level: config.log_level, format: config.log_format, destination: output })
  logCrash(log, output)
  for (const warning of warnings) log.warn(warning)
  // Registered before the startup, because PID 1 of a container has no default signal handlers.
  const stopped = Promise.race([once('SIGTERM'), once('SIGINT')])
  // Without a handler, Node opens its inspector, through which every program on this machine can run code in here.
  process.on('SIGUSR1', () => log.info("SIGUSR1 is ignored: Node's inspector stays closed"))
  const app = await createApp(config, log, output.lostLines)
  try {
    announce(log, config, await app.listen(), file)
  } catch (error) {
    throw new ConfigError([listenFault(error as ListenError, { config, locate })])
  }
  reload = () => void reloadConfig(app, log, load)
  if (isReloadPending) reload()
  await stopped
  reload = () => {}
  log.info('stopping: waiting for requests in progress')
  await app.close()
  logEvent(log, 'stopped', {}, 'stopped')
  await output.close()
  process.exit(0) // otherwise a hanging call to Elasticsearch would keep the process alive
}

function announce(log: Logger, config: Config, addresses: readonly string[], file: string | undefined): void {
  const metricsStart = addresses.length - (config.metrics.listen?.length ?? 0)
  const pages = addresses.slice(0, config.listen.length)
  const subRequests = addresses.slice(config.listen.length, metricsStart)
  const metrics = addresses.slice(metricsStart)
  const scopes = [
    subRequests.length === 0 ? '' : ` (pages) and ${subRequests.join(', ')} (sub-requests)`,
    metrics.length === 0 ? '' : ` and ${metrics.join(', ')} (metrics)`,
  ].join('')
  const proxySecret = config.proxy_secret === null ? '' : ' with the proxy secret'
  logEvent(
    log,
    'started',
    {},
    [
      `elastauth ${version} listens on ${pages.join(', ')}${scopes} as ${modeOf(config)}`,
      `identities from ${providersOf(config).join(', then ')}`,
      `trusted peers: ${config.trusted_proxies.join(', ')}${proxySecret}`,
      `configuration: ${file ?? 'environment only'}`,
    ].join('; '),
  )
}

function modeOf(config: Config): string {
  return config.proxy.enabled ? `proxy of ${upstreamUrls(config).join(', ')}` : 'forward-auth responder'
}

/** An invalid configuration leaves the previous one in effect. */
async function reloadConfig(app: App, log: Logger, load: () => Promise<LoadedConfig>): Promise<void> {
  try {
    const { config, warnings } = await load()
    for (const warning of warnings) log.warn(warning)
    const { changed, ignored } = app.reload(config)
    const changes = changed.length > 0 ? `${changed.join(', ')} changed` : 'no key that a reload applies has changed'
    const restart = ignored.length > 0 ? `; these changed keys need a restart: ${ignored.join(', ')}` : ''
    const message = `configuration reloaded: ${changes}; the certificates were read again${restart}`
    logEvent(
      log,
      'configuration_reloaded',
      { 'elastauth.changed_keys': changed, 'elastauth.ignored_keys': ignored },
      message,
    )
    app.countReload?.('success')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const message = `configuration not reloaded, the previous one stays in effect: ${reason}`
    logEvent(log, 'configuration_rejected', {}, message)
    app.countReload?.('failure')
  }
}

/**
 * Logs an error that is not handled anywhere, and then exits: Node would exit at once, and lose the buffered lines. Only the
 * stack is logged, because the properties of an error may contain a request.
 */
function logCrash(log: Logger, output: LogOutput): void {
  let isExiting = false
  // Node passes unhandled rejections to this event as well.
  process.on('uncaughtException', (error: unknown) => {
    const { stack = '', message } = error instanceof Error ? error : new Error(String(error))
    logEvent(log, 'crashed', { 'error.stack_trace': stack }, `elastauth crashed: ${message}. Please report this bug`)
    if (isExiting) return
    isExiting = true
    void output.close().finally(() => process.exit(1))
  })
}

function once(signal: 'SIGTERM' | 'SIGINT'): Promise<void> {
  return new Promise((resolve) => process.once(signal, () => resolve()))
}
