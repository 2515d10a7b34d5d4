import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/**
 * bcrypt in a thread of its own: the library is plain JavaScript, and one comparison takes 60 ms and more, in which the main
 * thread would serve no request. This file is also what the thread runs, so it must not import other files of elastauth.
 */

type Job = Readonly<{ id: number; password: string; hash: string }>
type Result = Readonly<{ id: number; isEqual: boolean }>
type Pending = Readonly<{ resolve: (isEqual: boolean) => void; reject: (error: Error) => void }>

let worker: Worker | undefined
let lastId = 0
const pending = new Map<number, Pending>()

/** Whether the first 72 bytes of a password have this hash. The thread starts at the first call. */
export function compareBcrypt(password: string, hash: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  worker ??= startWorker()
  const id = ++lastId
  pending.set(id, { resolve, reject })
  worker.ref()
  worker.postMessage({ id, password, hash } satisfies Job)
  return promise
}

function startWorker(): Worker {
  // The arguments of the process, such as --import, are for the main thread.
  const started = new Worker(fileURLToPath(import.meta.url), { execArgv: [], workerData: threadName })
  started.on('message', ({ id, isEqual }: Result) => {
    pending.get(id)?.resolve(isEqual)
    pending.delete(id)
    if (pending.size === 0) started.unref()
  })
  // After an error, `exit` follows, when the next call may have started another thread.
  const end = (error: Error) => worker === started && fail(error)
  started.on('error', end)
  started.on('exit', () => end(new Error('the thread for bcrypt ended')))
  return started
}

const threadName = 'elastauth-bcrypt'

function fail(error: Error): void {
  worker = undefined
  for (const { reject } of pending.values()) reject(error)
  pending.clear()
}

async function runWorker(): Promise<void> {
  const { compareSync } = await import('bcryptjs')
  parentPort!.on('message', ({ id, password, hash }: Job) => {
    parentPort!.postMessage({ id, isEqual: compareSync(password, hash) } satisfies Result)
  })
}

if (!isMainThread && workerData === threadName) void runWorker()
