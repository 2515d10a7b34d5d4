import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/**
 * bcrypt in a thread of its own: the library is plain JavaScript, and one comparison takes 60 ms and more, in which the main
 * thread would serve no request. This file is also what the thread runs, so it must not import other files of elastauth.
 */

type Job = Readonly<{ id: number; password: string; hash: string }>
type Result = Readonly<{ id: number; isEqual: boolean }>
type Pending = Readonly<{ job: Job; resolve: (isEqual: boolean) => void; reject: (error: Error) => void }>

let worker: Worker | undefined
let lastId = 0
const pending = new Map<number, Pending>()

/** Whether the first 72 bytes of a password have this hash. The thread starts at the first call. */
export function compareBcrypt(password: string, hash: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  post({ job: { id: ++lastId, password, hash }, resolve, reject })
  return promise
}

function post(comparison: Pending): void {
  worker ??= startWorker()
  pending.set(comparison.job.id, comparison)
  worker.ref()
  worker.postMessage(comparison.job)
}

function startWorker(): Worker {
  // The arguments of the process, such as --import, are for the main thread.
  const started = new Worker(fileURLToPath(import.meta.url), { execArgv: [], workerData: threadName })
  started.on('message', ({ id, isEqual }: Result) => {
    pending.get(id)?.resolve(isEqual)
    pending.delete(id)
    if (pending.size === 0) started.unref()
  })
  let cause = new Error('the thread for bcrypt ended')
  started.on('error', (error: Error) => {
    cause = error
  })
  started.on('exit', () => startAgain(cause))
  return started
}

const threadName = 'elastauth-bcrypt'

/** All results of a thread arrive before its end, so it ended at the first comparison without one. */
function startAgain(cause: Error): void {
  worker = undefined
  const [failed, ...others] = pending.values()
  pending.clear()
  failed?.reject(cause)
  others.forEach(post)
}

async function runWorker(): Promise<void> {
  const { compareSync } = await import('bcryptjs')
  parentPort!.on('message', ({ id, password, hash }: Job) => {
    parentPort!.postMessage({ id, isEqual: compareSync(password, hash) } satisfies Result)
  })
}

if (!isMainThread && workerData === threadName) void runWorker()
