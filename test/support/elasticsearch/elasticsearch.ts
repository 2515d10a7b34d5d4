import { readFileSync } from 'node:fs'
import { findDockerProblem, startOnDocker } from './docker.ts'
import { findJava } from './find-java.ts'
import { startOnJava } from './java.ts'
import type { Elasticsearch, FoundNode, Kind, Options } from './node.ts'
import { createNodeHandle, type Running, startOwnNode, waitForLogin } from './own-node.ts'
import { requestedMajor } from './versions.ts'

/** No node is available; `reasons` has one line for each way that was tried. */
export class ElasticsearchUnavailable extends Error {
  readonly reasons: readonly string[]
  constructor(reasons: readonly string[]) {
    super(`no Elasticsearch is available:\n${reasons.map((reason) => `  - ${reason}`).join('\n')}`)
    this.name = 'ElasticsearchUnavailable'
    this.reasons = reasons
  }
}

const ways = {
  docker: { find: findDockerProblem, start: startOnDocker, describe: 'a container on Docker' },
  java: { find: findJavaProblem, start: startOnJava, describe: "a node on this machine's Java" },
} as const

/** Finds the first available way: `ELASTICSEARCH_URL`, then Docker, then Java. Starts no node. */
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

/** A node that other tests use may be busy with hashing many passwords. */
const externalLoginTimeoutMs = 120_000

/**
 * Starts a real, secured node and waits until its `.security` index is active. Tries the ways in the order of findElasticsearch,
 * and the next one if a node fails to start. Throws if the node of `ELASTICSEARCH_URL` fails, and ElasticsearchUnavailable with
 * all reasons if there is no node.
 */
export async function startElasticsearch(options: Options = {}): Promise<Elasticsearch> {
  const reasons: string[] = []
  const external = isWanted('external', options) ? readExternal() : undefined
  if (external) {
    const version = await waitForLogin(external, externalLoginTimeoutMs)
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
      console.error(`cannot start Elasticsearch: ${reasons.at(-1)}`)
    }
  }
  throw new ElasticsearchUnavailable(reasons)
}

async function findJavaProblem(): Promise<string | undefined> {
  const found = await findJava()
  return typeof found === 'string' ? found : undefined
}

/** Throws if the version is not the requested one, which ELASTICSEARCH_URL and ELASTICSEARCH_IMAGE may cause. */
async function checkVersion(node: Elasticsearch): Promise<Elasticsearch> {
  const major = requestedMajor()
  if (major === undefined || node.version.startsWith(`${major}.`)) return node
  await node.stop()
  throw new Error(`ELASTICSEARCH_VERSION=${major}, but the ${node.kind} Elasticsearch is ${node.version}`)
}

function isWanted(kind: Kind, { kind: only, own = false }: Pick<Options, 'kind' | 'own'>): boolean {
  return (only === undefined || only === kind) && !(own && kind === 'external')
}

/** The node that the environment names: `ELASTICSEARCH_URL` and its companions. */
function readExternal(env = process.env): Running | undefined {
  if (!env.ELASTICSEARCH_URL) return undefined
  const rejectControl = () =>
    Promise.reject(new Error(`cannot pause the node of ${env.ELASTICSEARCH_URL}: request a node of the test's own`))
  return {
    url: env.ELASTICSEARCH_URL.replace(/\/+$/, ''),
    username: env.ELASTICSEARCH_USERNAME || 'elastic',
    password: env.ELASTICSEARCH_PASSWORD || 'changeme',
    ...(env.ELASTICSEARCH_CA_CERT && { caCert: readFileSync(env.ELASTICSEARCH_CA_CERT, 'utf8') }),
    stop: async () => {},
    pause: rejectControl,
    resume: rejectControl,
  }
}
