import type { Caller, Server } from './callers/caller.ts'
import { type Case, original, type People } from './case.ts'
import { casesFor } from './cases.ts'
import { exchange } from './exchange.ts'
import { type Credentials, credentialOf, findFault } from './judge.ts'
import { type Header, type ProxyResponse, without } from './message.ts'

export type Subject = Readonly<{
  /** Where the proxy is told to ask. */
  url: URL
  people: People
  /** Names of the headers in a yes that the proxy hands on. */
  credential: readonly string[]
  /** What the proxy itself adds to each sub-request, such as a shared secret. */
  added: readonly Header[]
  ownPaths: readonly string[]
  /** The prefix that Envoy puts before the client's path. */
  pathPrefix: string
  /** Limit for one answer, in milliseconds. */
  patience: number
}>

export type Result = Readonly<{ name: string; statuses: readonly number[]; fault?: string }>

/** Plays one caller's sub-requests. Rejects when the two users cannot even be told apart: then nothing can be said. */
export async function runSuite(caller: Caller, subject: Subject, report: (result: Result) => void): Promise<Result[]> {
  const known = await learn(caller, subject)
  const results: Result[] = []
  for (const one of casesFor(subject.people, subject.ownPaths)) {
    if (one.only?.includes(caller.name) === false) continue
    const result = await play(one, caller, subject, known)
    report(result)
    results.push(result)
  }
  return results
}

async function play(one: Case, caller: Caller, subject: Subject, known: Credentials): Promise<Result> {
  try {
    const answers = await ask(one, caller, subject)
    const faults = answers.map((answer, i) => findFault(answer, one.questions[i]!.expect, caller, known))
    const fault = faults.find((found) => found !== undefined)
    return { name: one.name, statuses: answers.map(({ status }) => status), ...(fault && { fault }) }
  } catch (error) {
    return { name: one.name, statuses: [], fault: (error as Error).message }
  }
}

function ask(
  { questions, alter = (request) => request }: Case,
  caller: Caller,
  subject: Subject,
): Promise<ProxyResponse[]> {
  const { url, people, added, pathPrefix, patience } = subject
  const names = [...people.user, ...people.other, ...(people.forbidden ?? [])].map(([name]) => name)
  const server: Server = { url, pathPrefix, passed: names }
  const requests = questions.map(({ original }) => {
    const request = alter(caller.ask(original, server))
    const addedNames = added.map(([name]) => name)
    return { ...request, headers: [...without(request.headers, addedNames), ...added] }
  })
  return exchange(url, requests, patience)
}

async function learn(caller: Caller, subject: Subject): Promise<Credentials> {
  const { people, credential: names } = subject
  const get = async (headers: readonly Header[], who: string) => {
    const question = { original: original(headers), expect: 'user' } as const
    const [answer] = await ask({ name: who, questions: [question] }, caller, subject)
    const found = credentialOf(answer!, names)
    if (caller.judge(answer!) === 'allow' && found !== undefined) return found
    throw new Error(
      `${who} (${headers.map(([name]) => name).join(', ')}) is answered ${answer!.status}, with ${found === undefined ? 'no' : 'a'} ${names.join(', ')}. ` +
        'Say with --identity, --other and --header how the server knows its users, and with --credential what it answers',
    )
  }
  const user = await get(people.user, 'the user')
  const other = await get(people.other, 'the second user')
  if (user === other)
    throw new Error('both users get the same credential; name two different ones with --identity and --other')
  return { names, user, other, isStable: user === (await get(people.user, 'the user')) }
}
