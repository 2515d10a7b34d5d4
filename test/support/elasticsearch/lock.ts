/**
 * Writes jars.json, the list of every jar of a node with its module, size and hash. Requires Maven; run it once for each
 * Elasticsearch version: node test/support/elasticsearch/lock.ts 9
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { type Jar, type ModuleName, moduleNames } from './jars.ts'
import { directoryOf, majors } from './versions.ts'

const major = majors.find((known) => known === process.argv[2])
if (!major) throw new Error(`usage: lock.ts ${majors.join('|')}`)
const here = directoryOf(major)
const repository = join(homedir(), '.m2', 'repository')
const scratch = mkdtempSync(join(tmpdir(), 'elastauth-lock-'))

const resolved = new Map(moduleNames.map((module) => [module, resolve(module)]))
rmSync(scratch, { recursive: true })

// Elasticsearch rejects a jar that a parent class loader already has: lib is the parent of all, x-pack-core of x-pack-security.
const parentsOf = (module: ModuleName) =>
  module === 'lib' ? [] : module === 'x-pack-security' ? ['lib', 'x-pack-core'] : ['lib']
const jars = [...resolved].flatMap(([module, own]) => {
  const inherited = new Set(parentsOf(module).flatMap((name) => (resolved.get(name as ModuleName) ?? []).map(nameOf)))
  return own.filter((jar) => !inherited.has(nameOf(jar)))
})

const version = jars.find((jar) => jar.artifact === 'elasticsearch')?.version
const lines = jars.map((jar) => `    ${JSON.stringify(jar)}`)
writeFileSync(join(here, 'jars.json'), `{\n  "version": "${version}",\n  "jars": [\n${lines.join(',\n')}\n  ]\n}\n`)

function resolve(module: ModuleName): Jar[] {
  const output = join(scratch, module)
  const goal = ['dependency:build-classpath', `-Dmdep.outputFile=${output}`, '-Dmdep.pathSeparator=|']
  execFileSync('mvn', [
    '-q',
    '-B',
    '-f',
    join(here, 'pom.xml'),
    '-P',
    module,
    `-Dmaven.repo.local=${repository}`,
    ...goal,
  ])
  return readFileSync(output, 'utf8')
    .trim()
    .split('|')
    .sort()
    .map((file) => {
      const [version, artifact, ...group] = relative(repository, dirname(file)).split(sep).reverse() as [string, string]
      const content = readFileSync(file)
      const sha256 = createHash('sha256').update(content).digest('hex')
      return { module, group: (group as string[]).reverse().join('.'), artifact, version, size: content.length, sha256 }
    })
}

function nameOf(jar: Jar): string {
  return `${jar.artifact}-${jar.version}`
}
