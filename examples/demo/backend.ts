import {
  ElasticsearchUnavailable,
  findElasticsearch,
  startElasticsearch,
} from '../../test/support/elasticsearch/elasticsearch.ts'
import { createFakeElasticsearch } from '../../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import type { Choice } from './arguments.ts'

export type Backend = Readonly<{
  /** Version and origin, for the output. */
  description: string
  url: string
  username: string
  password: string
  /** CA file to verify its certificate with, unless its CA is a public one. */
  caFile?: string
  /** False for the stand-in. */
  hasIndices: boolean
  close: () => Promise<void>
}>

/**
 * Starts the chosen Elasticsearch. Without a choice, a real one if possible, otherwise the stand-in.
 * @throws {Error} with a message for the user
 */
export async function startBackend(choice: Choice | undefined): Promise<Backend> {
  if (choice === 'stand-in') return startStandIn('as requested')
  const options = choice === undefined ? {} : { kind: choice }
  const found = await findElasticsearch(options)
  if (found.kind === 'none' && choice !== undefined)
    throw new Error(`--elasticsearch ${choice} is not available: ${found.reasons.join('; ')}.`)
  if (found.kind !== 'none') console.log(`Starting Elasticsearch: ${found.describe}${downloadNote(found.kind)} …`)
  try {
    const node = await startElasticsearch(options)
    const { kind, version, url, username, password } = node
    const caFile = kind === 'external' ? process.env.ELASTICSEARCH_CA_CERT : undefined
    const description = `${version}, ${origins[kind]}`
    return {
      ...{ description, url, username, password, hasIndices: true },
      ...(caFile && { caFile }),
      close: () => node.stop(),
    }
  } catch (error) {
    if (!(error instanceof ElasticsearchUnavailable))
      throw new Error(`Elasticsearch did not start: ${firstLine(error)}`)
    if (choice !== undefined) throw new Error(`Elasticsearch did not start: ${error.reasons.map(firstLine).join('; ')}`)
    return startStandIn('no real Elasticsearch is available')
  }
}

const origins = {
  external: 'from ELASTICSEARCH_URL; the demo leaves the users testuser and developer in it',
  docker: 'in a container',
  java: 'on the Java of this machine',
} as const

function downloadNote(kind: string): string {
  if (kind === 'external') return ''
  return kind === 'docker' ? ' (the first start downloads its image)' : ' (the first start downloads about 90 MB)'
}

async function startStandIn(reason: string): Promise<Backend> {
  const password = 'changeme'
  const standIn = createFakeElasticsearch({ password })
  const url = await standIn.listen()
  const description = `a small stand-in that only supports users and authentication (${reason}); for a real one, install Docker or Java (\`apt install default-jdk-headless\`)`
  return { description, url, username: 'elastic', password, hasIndices: false, close: () => standIn.close() }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!
}
