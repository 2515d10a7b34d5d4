import type { Header, RawResponse } from '../support/raw-http.ts'
import type { Caller, Server } from './callers/caller.ts'
import { type Case, type CaseRequest, original, type People } from './case.ts'
import { casesFor } from './cases.ts'
import { exchange } from './exchange.ts'
import { type Credentials, credentialOf, findFault } from './find-fault.ts'
import { without } from './message.ts'

export type Subject = Readonly<{
  /** The address that the proxy sends its sub-requests to. */
  url: URL
  people: People
  /** Names of the response headers that the proxy copies to the client's request. */
  credential: readonly string[]
  /** Headers that the proxy itself adds to each sub-request, such as a shared secret. */
  added: readonly Header[]
  ownPaths: readonly string[]
  /** The prefix that Envoy puts before the client's path. */
  pathPrefix: string
  /** Limit for each response. */
  timeoutMs: number
}>

export type Result = Readonly<{ name: string; statuses: readonly number[]; fault?: string }>

/** Sends the sub-requests of one caller. Rejects when the server does not tell the two users apart. */
export async function runSuite(caller: Caller, subject: Subject, report: (result: Result) => void): Promise<Result[]> {
  const credentials = await readCredentials(caller, subject)
  const results: Result[] = []
  for (const one of casesFor(subject.people, subject.ownPaths)) {
    if (one.only?.includes(caller.name) === false) continue
    const result = await runCase(one, caller, subject, credentials)
    report(result)
    results.push(result)
  }
  return results
}

async function runCase(one: Case, caller: Caller, subject: Subject, credentials: Credentials): Promise<Result> {
  try {
    const responses = await send(one.requests, caller, subject, one.alter)
    const faults = responses.map((response, i) => findFault(response, one.requests[i]!.expect, caller, credentials))
    const fault = faults.find((found) => found !== undefined)
    return { name: one.name, statuses: responses.map(({ status }) => status), ...(fault && { fault }) }
  } catch (error) {
    return { name: one.name, statuses: [], fault: (error as Error).message }
  }
}

function send(
  requests: readonly CaseRequest[],
  caller: Caller,
  { url, people, added, pathPrefix, timeoutMs }: Subject,
  alter: Case['alter'] = (request) => request,
): Promise<RawResponse[]> {
  const names = [...people.user, ...people.other, ...(people.forbidden ?? [])].map(([name]) => name)
  const server: Server = { url, pathPrefix, passed: names }
  const addedNames = added.map(([name]) => name)
  const subRequests = requests.map(({ original }) => {
    const request = alter(caller.subRequestFor(original, server))
    return { ...request, headers: [...without(request.headers, addedNames), ...added] }
  })
  return exchange(url, subRequests, timeoutMs)
}

async function readCredentials(caller: Caller, subject: Subject): Promise<Credentials> {
  const { people, credential: names } = subject
  const read = async (headers: readonly Header[], who: string) => {
    const [response] = await send([{ original: original(headers), expect: 'user' }], caller, subject)
    const found = credentialOf(response!, names)
    if (caller.verdictFor(response!) === 'allow' && found !== undefined) return found
    throw new Error(
      `${who} (${headers.map(([name]) => name).join(', ')}) gets ${response!.status}, ${found === undefined ? 'without' : 'with'} ${names.join(', ')}: ` +
        'say with --identity, --other and --header how the server identifies its users, and with --credential what it returns',
    )
  }
  const user = await read(people.user, 'the user')
  const other = await read(people.other, 'the second user')
  if (user === other)
    throw new Error('both users get the same credential: name two different users with --identity and --other')
  return { names, user, other, isStable: user === (await read(people.user, 'the user')) }
}
