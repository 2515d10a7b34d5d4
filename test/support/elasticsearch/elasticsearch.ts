import { findDockerProblem, startOnDocker } from './docker.ts'
import { readExternal } from './external.ts'
import { findJava } from './find-java.ts'
import { startOnJava } from './java.ts'
import type { Elasticsearch, FoundNode, Kind, Options } from './node.ts'
import { createNodeHandle, startOwnNode } from './own-node.ts'
import { awaitLogin } from './ready.ts'
import { requestedMajor } from './versions.ts'

/** No way to have a node; `reasons` has one line for each way that was tried. */
export class ElasticsearchUnavailable extends Error {
  readonly reasons: readonly string[]
  constructor(reasons: readonly string[]) {
    super(`no Elasticsearch can be had:\n${reasons.map((reason) => `  - ${reason}`).join('\n')}`)
    this.name = 'ElasticsearchUnavailable'
    this.reasons = reasons
  }
}

const ways = {
  docker: { find: findDockerProblem, start: startOnDocker, describe: 'a container on Docker' },
  java: { find: whyNoJava, start: startOnJava, describe: 'a node on this machine’s Java' },
} as const

/** The first way that should work: `ELASTICSEARCH_URL`, then Docker, then Java. Nothing is started. */
export async function findElasticsearch(options: Pick<Options, 'kind' | 'own'> = {}): Promise<FoundNode> {
  const reasons: string[] = []
  if (isWanted('external', options)) {
    const external = readExternal()
    if (external) return { kind: 'external', describe: `the one at ${new URL(external.url).origin}` }
    reasons.push('external: ELASTICSEARCH_URL is not set')
  }
  for (const kind of ['docker', 'java'] as const) {
    if (!isWanted(kind, options)) continue
    const reason = await ways[kind].find()
    if (!reason) return { kind, describe: ways[kind].describe }
    reasons.push(`${kind}: ${reason}`)
  }
  return { kind: 'none', reasons }
}

/** A node that others use may have a crowd's passwords to hash before it looks at ours. */
const busyForMs = 120_000

/**
 * A real, secured node that answers, with its `.security` index active. Ways are tried in the order of
 * findElasticsearch; one that fails to start is passed over, except `ELASTICSEARCH_URL`, whose failure is thrown.
 * Throws ElasticsearchUnavailable with everyone's reasons.
 */
export async function startElasticsearch(options: Options = {}): Promise<Elasticsearch> {
  const reasons: string[] = []
  const external = isWanted('external', options) ? readExternal() : undefined
  if (external) {
    const version = await awaitLogin(external, busyForMs)
    return checkVersion(createNodeHandle('external', async () => external, external, version))
  }
  if (isWanted('external', options)) reasons.push('external: ELASTICSEARCH_URL is not set')

  for (const kind of ['docker', 'java'] as const) {
    if (!isWanted(kind, options)) continue
    const reason = await ways[kind].find()
    if (reason) {
      reasons.push(`${kind}: ${reason}`)
      continue
    }
    try {
      return await checkVersion(await startOwnNode(kind, ways[kind].start, options))
    } catch (error) {
      reasons.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`)
      console.error(`elasticsearch by way of ${reasons.at(-1)}`)
    }
  }
  throw new ElasticsearchUnavailable(reasons)
}

async function whyNoJava(): Promise<string | undefined> {
  const found = await findJava()
  return typeof found === 'string' ? found : undefined
}

/** Checks the version: the node that ELASTICSEARCH_URL or ELASTICSEARCH_IMAGE names may have another one than requested. */
async function checkVersion(node: Elasticsearch): Promise<Elasticsearch> {
  const major = requestedMajor()
  if (major === undefined || node.version.startsWith(`${major}.`)) return node
  await node.stop()
  throw new Error(`ELASTICSEARCH_VERSION=${major}, but the ${node.kind} Elasticsearch is ${node.version}`)
}

function isWanted(kind: Kind, { kind: only, own = false }: Pick<Options, 'kind' | 'own'>): boolean {
  return (only === undefined || only === kind) && !(own && kind === 'external')
}
