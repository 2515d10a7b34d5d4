import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { ConfiguredUsers } from '../../config/formats/users.ts'
import { readUsers } from '../../config/sources/users-file.ts'

/**
 * Reads all users in a thread of its own: the YAML parser takes 80 µs for each user, in which the main thread would serve no
 * request. This file is also what the thread runs. Rejects with an Error whose message may be logged.
 */
export async function readUsersInThread(sources: Sources): Promise<ConfiguredUsers> {
  // The arguments of the process, such as --import, are for the main thread.
  const thread = new Worker(fileURLToPath(import.meta.url), { execArgv: [], workerData: { [marker]: sources } })
  thread.unref()
  const ended = once(thread, 'exit').then(() => [{ problem: 'the thread that reads it ended' } satisfies Result])
  const [result] = (await Promise.race([once(thread, 'message'), ended])) as [Result]
  if ('problem' in result) throw new Error(result.problem)
  return result.users
}

type Sources = Parameters<typeof readUsers>[0]
type Result = Readonly<{ users: ConfiguredUsers }> | Readonly<{ problem: string }>

const marker = 'elastauth-users'

function read(sources: Sources): Result {
  try {
    return { users: readUsers(sources) }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

if (!isMainThread && workerData?.[marker]) parentPort!.postMessage(read(workerData[marker]))
