import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')

/** A row of the table in ARCHITECTURE.md. Paths are relative to the repository; those of folders end in a slash. */
type Row = Readonly<{ place: string; allowed: readonly Readonly<{ path: string; typesOnly: boolean }>[] }>

const files = globSync(['src/**/*.ts', 'config/**/*.ts'], { cwd: root })
const rows = readTable(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8'))

test('ARCHITECTURE.md has a row for every source file, and a file for every row', () => {
  assert.deepEqual(
    files.filter((file) => rows.every(({ place }) => !isWithin(file, place))),
    [],
  )
  assert.deepEqual(
    rows.filter(({ place }) => !files.some((file) => placeOf(file) === place)),
    [],
  )
})

for (const { place, allowed } of rows) {
  test(`${place} imports only what its row in ARCHITECTURE.md allows`, () => {
    const forbidden = files
      .filter((file) => placeOf(file) === place)
      .flatMap((file) => importsOf(file).map(({ target, isType }) => ({ file, target, isType })))
      .filter(({ target }) => !isWithin(target, place) && target !== 'package.json')
      .filter(({ target, isType }) =>
        allowed.every(({ path, typesOnly }) => !isWithin(target, path) || (typesOnly && !isType)),
      )
      .map(({ file, target }) => `${file} imports ${target}`)
    assert.deepEqual(forbidden, [])
  })
}

test('src has only one file outside its folders, main.ts', () => {
  assert.deepEqual(globSync('src/*.ts', { cwd: root }), ['src/main.ts'])
})

// The imports above keep the configuration out of all other folders.
test('src/app passes the configuration on as a whole, and reads its keys only in src/app/options', () => {
  const reads = [...globSync('src/app/*.ts', { cwd: root }), 'src/main.ts'].flatMap((file) =>
    findConfigReads(readFileSync(join(root, file), 'utf8')).map((read) => `${file}: ${read}`),
  )
  assert.deepEqual(reads, [])
})

test('each way to read a key of the configuration is found', () => {
  const samples = ['config.listen', 'next?.tls', 'given[key]', '} = config', '...next', '}: Config', "Config['tls']"]
  for (const sample of samples) assert.equal(findConfigReads(`(given: Config) => ${sample}`).length, 1, sample)
  assert.deepEqual(findConfigReads("import '../config.ts'\n(given: Config) => tlsOptions(given, config)"), [])
})

/** Finds accesses to keys of a variable with the type `Config`, and of those that usually have it without a declaration. */
function findConfigReads(text: string): string[] {
  const declared = [...text.matchAll(/(\w+): Config\b/g)].map(([, name]) => name!)
  const name = `(?:${[...new Set(['config', 'next', ...declared])].join('|')})`
  const reads = [
    `(?<![\\w/.])${name}(?:\\?\\.|\\.|\\[)\\w*`,
    `\\} = ${name}\\b`,
    `\\.\\.\\.${name}\\b`,
    '\\}: Config\\b',
    'Config\\[',
  ]
  return [...text.matchAll(new RegExp(reads.join('|'), 'g'))].map(([read]) => read)
}

function readTable(text: string): Row[] {
  return [...text.matchAll(/^\| `((?:src|config)\/[^`]*)` \|[^|]*\|([^|]*)\|$/gm)].map(([, place, cell]) => ({
    place: place!,
    allowed: cell!.trim() === 'everything except `cli`' ? everythingExcept('src/cli/') : readCell(cell!),
  }))
}

function everythingExcept(excluded: string): Row['allowed'] {
  const folders = globSync(['src/*/', 'config/'], { cwd: root }).map((folder) => `${folder.replace(/\/$/, '')}/`)
  return folders.filter((folder) => folder !== excluded).map((path) => ({ path, typesOnly: false }))
}

function readCell(cell: string): Row['allowed'] {
  return [...cell.matchAll(/`([^`]+)`( \(types\))?/g)].map(([, name, types]) => {
    const path = /^config\b/.test(name!) ? name! : `src/${name}`
    const isFile = files.includes(`${path}.ts`)
    return { path: isFile ? `${path}.ts` : `${path}/`, typesOnly: types !== undefined }
  })
}

/** The most specific row for a file. */
function placeOf(file: string): string | undefined {
  const places = rows.map(({ place }) => place).filter((place) => isWithin(file, place))
  return places.sort((a, b) => b.length - a.length)[0]
}

function isWithin(file: string, place: string): boolean {
  return file === place || (place.endsWith('/') && file.startsWith(place))
}

function importsOf(file: string): { target: string; isType: boolean }[] {
  const text = readFileSync(join(root, file), 'utf8')
  const imports = /^(?:import|export) (type )?(?:[^'"]*? from )?'(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm
  return [...text.matchAll(imports)].map(([, type, path, dynamicPath]) => ({
    target: relative(root, join(root, dirname(file), (path ?? dynamicPath)!)),
    isType: type !== undefined,
  }))
}
