import { randomBytes } from 'node:crypto'
import { lstatSync, renameSync, rmSync, type Stats, statSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname, join } from 'node:path'

/**
 * Listens on a unix socket. A stale socket, on which no process listens, is replaced; any other existing file is an
 * error. The socket is created under a temporary name and then renamed, so it never has wrong permissions at its final
 * path, and Node, which unlinks the name it has bound, cannot remove another process's socket.
 * @param mode permissions, as for `chmod`
 * @returns a function that removes the socket file if it has not been replaced. Rejects with the system's error
 * (`code`)
 */
export async function listenOnUnixSocket(server: Server, path: string, mode: number): Promise<() => void> {
  const directory = dirname(path)
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw systemError('ENOENT', `${directory} is not a directory`)
  const stale = await findStaleSocket(path)
  const temporary = join(directory, `.${randomBytes(4).toString('hex')}`)
  await bind(server, temporary, mode)
  try {
    const own = lstatSync(temporary)
    // Another elastauth may have replaced the stale socket in the meantime.
    if (!isSameFile(statOf(path), stale)) throw systemError('EADDRINUSE', `${path} is in use`)
    renameSync(temporary, path)
    return () => {
      if (isSameFile(statOf(path), own)) rmSync(path)
    }
  } catch (error) {
    server.close()
    throw error
  }
}

/**
 * Sets the permissions by changing the umask during `listen`: `bind` applies the umask (unix(7)) and runs before
 * `listen` returns.
 */
function bind(server: Server, path: string, mode: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const previousMask = process.umask(0o777 & ~mode)
  try {
    server.once('error', reject)
    server.listen({ path }, () => {
      server.off('error', reject)
      resolve()
    })
  } finally {
    process.umask(previousMask)
  }
  return promise
}

/** @returns the socket to replace; undefined if the path does not exist. Throws if it is in use or not a socket. */
async function findStaleSocket(path: string): Promise<Stats | undefined> {
  const stats = statOf(path)
  if (stats === undefined) return undefined
  if (!stats.isSocket()) throw systemError('ENOTSOCK', `${path} exists and is not a socket`)
  const code = await tryToConnect(path)
  if (code === undefined) throw systemError('EADDRINUSE', `${path} is in use`)
  if (code !== 'ECONNREFUSED' && code !== 'ENOENT')
    throw systemError(code, `cannot determine whether ${path} is in use`)
  return stats
}

/** @returns the error code of a connection attempt; undefined if it succeeds */
function tryToConnect(path: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = connect({ path })
  socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'unknown'))
  socket.once('connect', () => {
    resolve(undefined)
    socket.destroy()
  })
  return promise
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

function isSameFile(a: Stats | undefined, b: Stats | undefined): boolean {
  return a?.dev === b?.dev && a?.ino === b?.ino
}

function systemError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code })
}
