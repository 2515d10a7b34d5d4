import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { loadConfig } from '../../config/load.ts'
import { type App, createApp } from '../../src/app.ts'
import type { Logger } from '../../src/log.ts'
import type { Backend } from './backend.ts'

export type GatewayOptions = Readonly<{ file: string; port: number; backend: Backend; log: Logger }>
export type Gateway = Readonly<{ url: string; close: () => Promise<void> }>

/** One for both, as replicas in front of one Elasticsearch have it. */
const secretKey = randomBytes(32).toString('hex')
const portsToTry = 20

/** One elastauth with the configuration in `file`, on `port` of 127.0.0.1 or the next one that is free. */
export async function startGateway({ file, port, backend, log }: GatewayOptions): Promise<Gateway> {
  for (let candidate = port; candidate < port + portsToTry; candidate++) {
    const listen = `127.0.0.1:${candidate}`
    const app = await createApp(configure(file, listen, backend), log)
    if (await listens(app)) return { url: `http://${listen}`, close: app.close }
  }
  throw new Error(`no port from ${port} to ${port + portsToTry - 1} is free.`)
}

function configure(file: string, listen: string, { url, username, password, caFile }: Backend) {
  const env = {
    ELASTAUTH_SECRET_KEY: secretKey,
    ELASTAUTH_ELASTICSEARCH_USERNAME: username,
    ELASTAUTH_ELASTICSEARCH_PASSWORD: password,
  }
  const certificates = caFile === undefined ? {} : { 'elasticsearch.ca_cert': caFile, 'proxy.tls.ca_cert': caFile }
  const flags = { listen, 'elasticsearch.hosts': url, 'proxy.elasticsearch_url': url, ...certificates }
  return loadConfig({ file: join(import.meta.dirname, file), env, flags }).config
}

async function listens(app: App): Promise<boolean> {
  try {
    await app.listen()
    return true
  } catch (error) {
    await app.close()
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
}
