/**
 * Bundles src/ with its dependencies into dist/, because loading some 600 files takes most of the time to the first
 * response. `node scripts/build.ts [directory]`
 *
 * Modules that are imported dynamically stay separate files, so that features which are not configured are not loaded.
 * The files are CommonJS, because importing node:http as an ES module evaluates its getters, which load another HTTP
 * client (30 ms). They are not minified, so that stack traces stay readable.
 */

import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')
const output = process.argv[2] ?? join(root, 'dist')

await rm(output, { recursive: true, force: true })
const bundle = await rolldown({ input: join(root, 'src/main.ts'), cwd: root, platform: 'node', plugins: [leaveOut()] })
const { output: files } = await bundle.write({
  dir: output,
  format: 'cjs',
  entryFileNames: '[name].cjs',
  chunkFileNames: '[name]-[hash].cjs',
  comments: false,
})
await chmod(join(output, 'main.cjs'), 0o755)
const modules = files.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
await writeFile(join(output, 'third-party-licenses.txt'), await collectLicenses(modules))

/**
 * Leaves out what elastauth does not use of some dependencies, above all four fifths of the official Elasticsearch client:
 * all of its APIs except `security` (the type in src/es/client.ts allows no other), helpers with Apache Arrow, compression,
 * one of its two HTTP clients, and all of the other one except the pool for HTTP/1.1.
 */
function leaveOut(): Plugin {
  const pool = 'left-out-all-but-pool.js'
  return {
    name: 'leave-out',
    async resolveId(id, importer = '') {
      if (isUnused(id, importer)) return `left-out:${id}`
      const isHttpClient = id === 'undici' && importer.includes('/@elastic/transport/')
      if (!isHttpClient && !id.startsWith('@opentelemetry/')) return null
      const resolved = await this.resolve(id, importer, { skipSelf: true })
      if (isHttpClient) return join(dirname(resolved!.id), pool)
      return resolved!.id.replace('/build/src/', '/build/esm/') // of an ES module, the bundler omits unused exports
    },
    load(id) {
      if (id.endsWith(pool))
        return `Object.assign(require('./lib/dispatcher/dispatcher').prototype, require('./lib/api'))
          exports.Pool = require('./lib/dispatcher/pool')
          exports.buildConnector = require('./lib/core/connect')`
      if (id === 'left-out:node:zlib') return 'exports.gzip = exports.unzip = () => { throw new Error("left out") }'
      if (id === 'left-out:yargs-parser') return 'module.exports = () => ({})'
      return id.startsWith('left-out:') ? 'module.exports = class {}' : null
    },
  }
}

function isUnused(id: string, importer: string): boolean {
  if (importer.endsWith('/@elastic/elasticsearch/lib/client.js')) return id === './helpers'
  if (importer.endsWith('/@elastic/elasticsearch/lib/api/index.js'))
    return id.startsWith('./api/') && id !== './api/security'
  if (importer.includes('/@elastic/transport/'))
    return ['node:zlib', './HttpConnection', './client-h2.js', '../web/fetch/body.js'].includes(id)
  return id === 'yargs-parser' // config/convict-store.ts passes no arguments
}

/** The licenses of the bundled packages, which require that copies contain them. */
async function collectLicenses(modules: readonly string[]): Promise<string> {
  const directories = new Set(modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []))
  const texts = [...directories].sort().map(async (directory) => {
    const { name, version, license } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'))
    const names = (await readdir(directory)).filter((file) => /^(?:licen[cs]e|notice)/i.test(file)).sort()
    const contents = await Promise.all(names.map((file) => readFile(join(directory, file), 'utf8')))
    if (contents.length === 0 && license === undefined) throw new Error(`${relative(root, directory)} has no license`)
    return [`${name} ${version} (${license})`, ...contents].map((text) => text.trim()).join('\n\n')
  })
  return `dist/ contains these packages.\n\n${(await Promise.all(texts)).join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}
