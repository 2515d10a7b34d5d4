import { accessSync, constants, existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import type { Fault } from '../../config/faults.ts'
import type { Listener } from '../../config/formats/listeners.ts'
import { connectableHost, isLoopbackHost, withBrackets } from '../../config/hosts.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { redactConfig } from '../../config/redact.ts'
import { serverOptions } from '../app/options/server.ts'
import { version } from '../app/version.ts'
import type { ListenerScope } from '../http/handler.ts'
import type { RecentError } from '../observability/recent-errors.ts'
import { type Check, type Finding, failure, ok, skipped, warning } from './check.ts'
import { explainErrors } from './recent-errors.ts'
import { type Visit, visit } from './visit.ts'

/** An error of `listen`, with the place of the address in the configuration. */
export type ExplainListenError = (
  error: NodeJS.ErrnoException & Readonly<{ serves: ListenerScope; index: number }>,
) => Pick<Fault, 'key' | 'problem' | 'fix'>

export type RunningOptions = Readonly<{ explainListenError: ExplainListenError }>

/** The checks of the addresses, and of the elastauth that listens there, if one does. */
export function runningChecks({ config }: LoadedConfig, { explainListenError }: RunningOptions): Check[] {
  const listeners = serverOptions(config).listeners.map((listener, index) => ({
    ...listener,
    serves: listener.serves ?? ('everything' as const),
    index,
  }))
  const main = listeners[0]!
  let running: Promise<Visit | undefined> | undefined
  const findRunning = (signal: AbortSignal) => (running ??= requestFrom(main, 'health', signal).catch(() => undefined))

  /** Asks the running elastauth, which tells only a program on the same machine. */
  function ask(name: string, explain: (document: unknown) => Finding | Finding[]): Check['run'] {
    return async (signal) => {
      if (versionOf(await findRunning(signal)) === undefined)
        return skipped('no elastauth listens on the first address of listen')
      const { status, body } = await requestFrom(main, name, signal)
      return status === 200 ? explain(JSON.parse(body)) : skipped(`the running elastauth responds with ${status}`)
    }
  }

  return [
    ...listeners.map((listener) => ({
      id: 'listeners',
      title: 'Listener',
      run: (signal: AbortSignal) => checkListener(listener, { findRunning, explainListenError, signal }),
    })),
    {
      id: 'running',
      title: 'Running configuration',
      run: ask('config', (document) => compareConfig(document, JSON.parse(JSON.stringify(redactConfig(config))))),
    },
    {
      id: 'trust',
      title: 'Trusted peers',
      run: ask('errors', (document) => explainErrors(readErrors(document), 'trust', Date.now())),
    },
    {
      id: 'errors',
      title: 'Recent errors',
      run: ask('errors', (document) => explainErrors(readErrors(document), 'errors', Date.now())),
    },
  ]
}

type Placed = Listener & Readonly<{ serves: ListenerScope; index: number }>

async function checkListener(
  listener: Placed,
  {
    findRunning,
    explainListenError,
    signal,
  }: Readonly<{
    findRunning: (signal: AbortSignal) => Promise<Visit | undefined>
    explainListenError: ExplainListenError
    signal: AbortSignal
  }>,
): Promise<Finding> {
  const address = describe(listener)
  const problem = await findListenError(listener)
  if (problem === undefined) return ok(`${address} is free: elastauth is not running`, reachOf(listener))
  if (problem.code === 'EADDRINUSE') {
    const running = versionOf(await findRunning(signal))
    if (running !== undefined) return describeRunning(running, address, reachOf(listener))
    const { code } = await requestFrom(listener, 'health', signal).then(() => ({ code: '' }), asNodeError)
    if (code === 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')
      return ok(`${address} is in use by a server that asks for a client certificate, as elastauth does`)
  }
  const {
    key,
    problem: text,
    fix,
  } = explainListenError(Object.assign(problem, { serves: listener.serves, index: listener.index }))
  return failure(`${key} ${text}`, fix)
}

function describeRunning(running: string, address: string, reach: string | undefined): Finding {
  if (running === version) return ok(`${address} is in use by elastauth ${running}, which is running`, reach)
  return warning(
    `the running elastauth is ${running}, but this command is ${version}`,
    'restart it with the new version',
  )
}

/** For a proxy that cannot reach the address. */
function reachOf(listener: Placed): string | undefined {
  if (listener.kind !== 'tcp' || !isLoopbackHost(listener.host)) return undefined
  const key = {
    everything: 'listen',
    endpoints: 'listen',
    'sub-requests': 'forward_auth.listen',
    metrics: 'metrics.listen',
  }
  return `only this machine can reach it: for programs in other containers, set ${key[listener.serves]} to 0.0.0.0:${listener.port}`
}

/** Listens on the address for a moment. A socket in the file system is not created, only looked for. */
async function findListenError(listener: Listener): Promise<NodeJS.ErrnoException | undefined> {
  if (listener.kind === 'unix') return findSocketError(listener.path)
  const { promise, resolve } = Promise.withResolvers<NodeJS.ErrnoException | undefined>()
  const server = createServer()
  server.on('error', resolve)
  server.listen({ port: listener.port, ...(listener.host !== '' && { host: listener.host }) }, () =>
    server.close(() => resolve(undefined)),
  )
  return promise
}

async function findSocketError(path: string): Promise<NodeJS.ErrnoException | undefined> {
  try {
    accessSync(dirname(path), constants.W_OK)
    if (!existsSync(path)) return undefined
    const { connect } = await import('node:net')
    const { promise, resolve } = Promise.withResolvers<NodeJS.ErrnoException | undefined>()
    const socket = connect(path, () => resolve(Object.assign(new Error('in use'), { code: 'EADDRINUSE' })))
    socket.on('error', () => resolve(undefined)) // left by a process that has ended; elastauth replaces it
    const result = await promise
    socket.destroy()
    return result
  } catch (error) {
    return asNodeError(error)
  }
}

function asNodeError(error: unknown): NodeJS.ErrnoException {
  return error as NodeJS.ErrnoException
}

/** The certificate is not verified: it is for elastauth's public names, and the request contains no secrets. */
function requestFrom(listener: Listener, name: string, signal: AbortSignal): Promise<Visit> {
  const scheme = listener.isTls ? 'https' : 'http'
  const authority =
    listener.kind === 'unix' ? 'localhost' : `${withBrackets(connectableHost(listener.host))}:${listener.port}`
  return visit(new URL(`${scheme}://${authority}/elastauth/${name}`), {
    signal,
    headers: { Host: 'localhost' },
    connection: { rejectUnauthorized: false, ...(listener.kind === 'unix' && { socketPath: listener.path }) },
  })
}

/** Of the elastauth that has sent a response to `health`; undefined if another program has sent it. */
function versionOf(response: Visit | undefined): string | undefined {
  try {
    const document: unknown = response?.status === 200 ? JSON.parse(response.body) : undefined
    return isMap(document) && document.status === 'ok' && typeof document.version === 'string'
      ? document.version
      : undefined
  } catch {
    return undefined
  }
}

function describe(listener: Listener): string {
  return listener.kind === 'unix' ? `unix:${listener.path}` : `${withBrackets(listener.host)}:${listener.port}`
}

/** Secrets are masked on both sides. */
export function compareConfig(running: unknown, own: unknown): Finding {
  const keys = differences(running, own, '')
  if (keys.length === 0) return ok('the running elastauth has this configuration')
  return warning(
    `the running elastauth has other values of ${keys.slice(0, 10).join(', ')}${keys.length > 10 ? ', …' : ''}`,
    'send it SIGHUP or restart it, and give this command the same options and environment variables',
  )
}

function differences(one: unknown, other: unknown, key: string): string[] {
  if (!isMap(one) || !isMap(other) || key.includes('.'))
    return JSON.stringify(one) === JSON.stringify(other) ? [] : [key]
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])]
  return names.flatMap((name) => differences(one[name], other[name], key === '' ? name : `${key}.${name}`))
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The other program on the port may be another one than before. */
function readErrors(document: unknown): RecentError[] {
  const errors = isMap(document) && Array.isArray(document.errors) ? document.errors : []
  return errors.filter(
    (entry): entry is RecentError =>
      isMap(entry) && [entry.code, entry.detail, entry.last].every((text) => typeof text === 'string'),
  )
}
