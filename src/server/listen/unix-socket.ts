import { randomBytes } from 'node:crypto'
import { lstatSync, renameSync, rmSync, type Stats, statSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname, join } from 'node:path'

/**
 * Listens on a unix socket. One that nobody listens on any more is replaced; any other file, a link too, stays and is an
 * error. The socket is made beside its place, with its permissions, and then moved there: at no time can anybody open
 * what they may not, or find half of it, and what Node removes at the end by its name is never somebody else's.
 * @param mode permissions, as `chmod` has them
 * @returns removes the socket, if it is still ours. Rejects with what the system says (`code`)
 */
export async function listenOnUnixSocket(server: Server, path: string, mode: number): Promise<() => void> {
  const directory = dirname(path)
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw fault('ENOENT', `${directory} is no directory`)
  const before = await findStale(path)
  const made = join(directory, `.${randomBytes(4).toString('hex')}`)
  await bind(server, made, mode)
  try {
    const own = lstatSync(made)
    // Another elastauth may have come to the same conclusion about the old one meanwhile.
    if (!isSame(statOf(path), before)) throw fault('EADDRINUSE', `${path} is in use`)
    renameSync(made, path)
    return () => {
      if (isSame(statOf(path), own)) rmSync(path)
    }
  } catch (error) {
    server.close()
    throw error
  }
}

/** With its permissions from the start: `bind` takes them from the mask (unix(7)), and it runs before `listen` returns. */
function bind(server: Server, path: string, mode: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const before = process.umask(0o777 & ~mode)
  try {
    server.once('error', reject)
    server.listen({ path }, () => {
      server.off('error', reject)
      resolve()
    })
  } finally {
    process.umask(before)
  }
  return promise
}

/** The socket that may be replaced; undefined where there is nothing. Throws where something else is. */
async function findStale(path: string): Promise<Stats | undefined> {
  const found = statOf(path)
  if (found === undefined) return undefined
  if (!found.isSocket()) throw fault('ENOTSOCK', `${path} is there, and is no socket`)
  const code = await knock(path)
  if (code === undefined) throw fault('EADDRINUSE', `${path} is in use`)
  if (code !== 'ECONNREFUSED' && code !== 'ENOENT')
    throw fault(code, `whether somebody listens on ${path} is not to be known`)
  return found
}

/** Why nobody answers there; undefined where somebody does. */
function knock(path: string): Promise<string | undefined> {
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

function isSame(a: Stats | undefined, b: Stats | undefined): boolean {
  return a?.dev === b?.dev && a?.ino === b?.ino
}

function fault(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code })
}
