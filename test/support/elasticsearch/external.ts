import { readFileSync } from 'node:fs'
import type { Running } from './own-node.ts'

/** What the environment says about a node that somebody else runs: `ELASTICSEARCH_URL` and its companions. */
export function readExternal(env = process.env): Running | undefined {
  if (!env.ELASTICSEARCH_URL) return undefined
  const notOurs = () =>
    Promise.reject(new Error(`${env.ELASTICSEARCH_URL} is not ours to pause or end; ask for an own node`))
  return {
    url: env.ELASTICSEARCH_URL.replace(/\/+$/, ''),
    username: env.ELASTICSEARCH_USERNAME || 'elastic',
    password: env.ELASTICSEARCH_PASSWORD || 'changeme',
    ...(env.ELASTICSEARCH_CA_CERT && { caCert: readFileSync(env.ELASTICSEARCH_CA_CERT, 'utf8') }),
    stop: async () => {},
    pause: notOurs,
    resume: notOurs,
  }
}
