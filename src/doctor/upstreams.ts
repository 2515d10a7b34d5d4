import type { Config } from '../../config/schema.ts'
import { routingOptions } from '../app/options/proxy.ts'
import { createTlsOptions } from '../proxy/routing/tls.ts'
import { type Check, type Finding, ok, warning } from './check.ts'
import { checkExpiry, explainFailure, type ProbeOptions, type ProbeResponse, probe } from './probe.ts'

/** One check for each upstream of proxy mode. */
export function upstreamChecks(config: Config): Check[] {
  const { routes, readTls } = routingOptions(config)!
  const pairs = routes.flatMap(({ upstreams, tls }) => upstreams.map((url) => [url, tls] as const))
  const distinct = new Map(pairs.map(([url, tls]) => [JSON.stringify([url, tls]), { url: new URL(url), tls }]))
  return [...distinct.values()].map(({ url, tls }) => ({
    id: 'upstream',
    title: 'Upstream',
    async run(signal) {
      const connection = url.protocol === 'https:' ? createTlsOptions(url, readTls(tls)) : {}
      return checkUpstream(url, { connection, signal }, config)
    },
  }))
}

async function checkUpstream(url: URL, options: ProbeOptions, config: Config): Promise<Finding[]> {
  try {
    const response = await probe(url, options)
    const expiry = checkExpiry(url.origin, response.expiresAt)
    if (response.headers['kbn-name'] === undefined) return [ok(`${url.origin} responds`), ...expiry]
    return [...(await checkKibana(url, response, options, config)), ...expiry]
  } catch (error) {
    const keys = { url: keysOf(config, url.origin), ca: 'ca_cert of the route, or proxy.tls.ca_cert' }
    return [explainFailure(url, error, keys)]
  }
}

/** Without a credential, because the service account's is only for Elasticsearch. Kibana's sign-in page has what is needed. */
async function checkKibana(url: URL, root: ProbeResponse, options: ProbeOptions, config: Config): Promise<Finding[]> {
  const { cache, extend_cache, oidc } = config
  const { body } = await probe(new URL(`${url.href.replace(/\/$/, '')}/login`), options)
  const { version, publicBaseUrl } = readKibanaPage(body)
  const findings = [ok(`${url.origin} is Kibana${version === undefined ? '' : ` ${version}`}`)]
  const own = oidc.redirect_url === null ? undefined : URL.parse(oidc.redirect_url)?.origin
  if (own !== undefined && publicBaseUrl !== undefined && URL.parse(publicBaseUrl)?.origin !== own)
    findings.push(
      warning(
        `Kibana's server.publicBaseUrl is ${publicBaseUrl}, but users sign in at ${own}`,
        'set server.publicBaseUrl to the address that users open: Kibana writes it into links',
      ),
    )
  if (root.durationMs > cache.rotation_pause && !extend_cache)
    findings.push(
      warning(
        `Kibana took ${root.durationMs} ms to respond, longer than cache.rotation_pause (${cache.rotation_pause} ms): it may ask users to sign in when a password changes`,
        'set extend_cache: true, or increase cache.rotation_pause or cache.expiration',
      ),
    )
  return findings
}

/** What Kibana's pages say about it, as HTML-escaped JSON: `<kbn-injected-metadata data="{&quot;version&quot;:…">`. */
export function readKibanaPage(html: string): { version?: string | undefined; publicBaseUrl?: string | undefined } {
  // The limit bounds the time for a page that repeats the start of the tag.
  const [, data = ''] = /<kbn-injected-metadata[^>]{0,200}\sdata="([^"]*)"/.exec(html) ?? []
  const read = (name: string) =>
    new RegExp(`^\\{.*?&quot;${name}&quot;:&quot;([^&"]{1,200})&quot;`, 's').exec(data)?.[1]
  return { version: read('version'), publicBaseUrl: read('publicBaseUrl') }
}

/** The keys that name an upstream. */
function keysOf({ proxy }: Config, origin: string): string {
  const isNamed = (url: string) => new URL(url).origin === origin
  const isInRoutes = proxy.routes.some((route) => route.upstreams.some(isNamed))
  const isElasticsearch = proxy.elasticsearch_url !== null && isNamed(proxy.elasticsearch_url)
  return [isElasticsearch && 'proxy.elasticsearch_url', isInRoutes && 'proxy.routes'].filter(Boolean).join(' and ')
}
