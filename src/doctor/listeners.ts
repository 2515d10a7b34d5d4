import { accessSync, constants, existsSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname } from 'node:path'
import type { Fault } from '../../config/faults.ts'
import type { Listener } from '../../config/formats/listeners.ts'
import { isLoopbackHost, withBrackets } from '../../config/hosts.ts'
import { version } from '../app/version.ts'
import type { ListenerScope } from '../http/handler.ts'
import { type Finding, failure, ok, warning } from './check.ts'
import { probeEndpoint } from './instance.ts'

/** An error of `listen`, with the place of the address in the configuration. */
export type ExplainListenError = (
  error: NodeJS.ErrnoException & Readonly<{ serves: ListenerScope; index: number }>,
) => Pick<Fault, 'key' | 'problem' | 'fix'>

export type PlacedListener = Listener & Readonly<{ serves: ListenerScope; index: number }>

type ListenerOptions = Readonly<{
  /** The version of the elastauth that runs, if one does. */
  findVersion: (signal: AbortSignal) => Promise<string | undefined>
  explainListenError: ExplainListenError
  signal: AbortSignal
}>

/** Checks that an address is free, or that elastauth listens on it. */
export async function checkListener(
  listener: PlacedListener,
  { findVersion, explainListenError, signal }: ListenerOptions,
): Promise<Finding> {
  const address = describe(listener)
  const problem = await findListenError(listener)
  if (problem === undefined) return ok(`${address} is free: elastauth is not running`, reachOf(listener))
  if (problem.code === 'EADDRINUSE') {
    const running = await findVersion(signal)
    if (running !== undefined) return describeRunning(running, address, reachOf(listener))
    const { code } = await probeEndpoint(listener, 'health', signal).then(() => ({ code: '' }), asNodeError)
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

/** A hint for the case that a proxy cannot reach the address. */
function reachOf(listener: PlacedListener): string | undefined {
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

function describe(listener: Listener): string {
  return listener.kind === 'unix' ? `unix:${listener.path}` : `${withBrackets(listener.host)}:${listener.port}`
}
