import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { loadConfig } from '../../config/load.ts'
import { openConfigFile } from '../../config/read-settings.ts'
import { type App, createApp } from '../../src/app/app.ts'
import type { Logger } from '../../src/observability/log.ts'
import type { Backend } from './backend.ts'

export type GatewayOptions = Readonly<{
  file: string
  port: number
  backend: Backend
  log: Logger
  /** Additional flags and environment variables of this instance. */
  flags?: Readonly<Record<string, string>>
  env?: Readonly<Record<string, string>>
}>
export type Gateway = Readonly<{ url: string; close: () => Promise<void> }>

/** Shared by all instances: replicas in front of one Elasticsearch need the same key. */
const secretKey = randomBytes(32).toString('hex')
const maxPortAttempts = 20

/** Starts elastauth with the configuration in `file`, on `port` of 127.0.0.1 or the next free port. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { port, log } = options
  for (let candidate = port; candidate < port + maxPortAttempts; candidate++) {
    const listen = `127.0.0.1:${candidate}`
    const app = await createApp(await configure(listen, options), log)
    if (await tryListen(app)) return { url: `http://${listen}`, close: app.close }
  }
  throw new Error(
    `no port from ${port} to ${port + maxPortAttempts - 1} is free: stop one of the programs that use them.`,
  )
}

async function configure(listen: string, { file, backend, ...extra }: GatewayOptions) {
  const { url, username, password, caFile } = backend
  const env = {
    ELASTAUTH_SECRET_KEY: secretKey,
    ELASTAUTH_ELASTICSEARCH_USERNAME: username,
    ELASTAUTH_ELASTICSEARCH_PASSWORD: password,
    ...extra.env,
  }
  const certificates = caFile === undefined ? {} : { 'elasticsearch.ca_cert': caFile, 'proxy.tls.ca_cert': caFile }
  const flags = { listen, 'elasticsearch.hosts': url, 'proxy.elasticsearch_url': url, ...certificates, ...extra.flags }
  return loadConfig({ file: await openConfigFile(join(import.meta.dirname, file)), env, flags }).config
}

/** False if the port is in use. */
async function tryListen(app: App): Promise<boolean> {
  try {
    await app.listen()
    return true
  } catch (error) {
    await app.close()
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
}
