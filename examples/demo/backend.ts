import {
  ElasticsearchUnavailable,
  findElasticsearch,
  startElasticsearch,
} from '../../test/support/elasticsearch/elasticsearch.ts'
import { createFakeElasticsearch } from '../../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import type { Choice } from './arguments.ts'

export type Backend = Readonly<{
  /** What it is, as the end of "Elasticsearch: …". */
  what: string
  url: string
  username: string
  password: string
  /** File with the CA to verify it by, if that is not one everybody knows. */
  caFile?: string
  close: () => Promise<void>
}>

/**
 * The Elasticsearch that was chosen, or the best there is: a real one, else the stand-in.
 * Throws an Error with a sentence for the user.
 */
export async function startBackend(choice: Choice | undefined): Promise<Backend> {
  if (choice === 'stand-in') return startStandIn('as asked')
  const wish = choice === undefined ? {} : { kind: choice }
  const found = await findElasticsearch(wish)
  if (found.kind === 'none' && choice !== undefined)
    throw new Error(`no such Elasticsearch here: ${found.reasons.join('; ')}.`)
  if (found.kind !== 'none') console.log(`Starting Elasticsearch: ${found.describe}${firstTime(found.kind)} …`)
  try {
    const node = await startElasticsearch(wish)
    const { kind, version, url, username, password } = node
    const caFile = kind === 'external' ? process.env.ELASTICSEARCH_CA_CERT : undefined
    const what = `${version}, ${origins[kind]}`
    return { what, url, username, password, ...(caFile && { caFile }), close: () => node.stop() }
  } catch (error) {
    if (!(error instanceof ElasticsearchUnavailable))
      throw new Error(`Elasticsearch did not start: ${firstLine(error)}`)
    if (choice !== undefined) throw new Error(`Elasticsearch did not start: ${error.reasons.map(firstLine).join('; ')}`)
    return startStandIn('no real one can be had here')
  }
}

const origins = {
  external: 'named by ELASTICSEARCH_URL; the users testuser and developer will stay in it',
  docker: 'in a container',
  java: 'on this machine’s Java',
} as const

function firstTime(kind: string): string {
  if (kind === 'external') return ''
  return kind === 'docker' ? ' (downloads its image the first time)' : ' (downloads some 90 MB the first time)'
}

async function startStandIn(why: string): Promise<Backend> {
  const password = 'changeme'
  const standIn = createFakeElasticsearch({ password })
  const url = await standIn.listen()
  const what = `a small stand-in that knows users and logins only (${why}); for a real one, have Docker or \`apt install default-jdk-headless\``
  return { what, url, username: 'elastic', password, close: () => standIn.close() }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!
}
