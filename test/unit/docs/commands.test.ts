import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { flagKeys } from '../../../config/sources/flags.ts'
import { parseCommand } from '../../../src/cli/args.ts'
import { otherFlags as ownFlags } from '../../../src/cli/options.ts'
import { exampleFiles, findFaults, pages } from '../../support/documentation.ts'

const root = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const texts = [...pages, ...exampleFiles]

describe('the pages and examples show only commands that work', () => {
  test('every elastauth command that a page or an example shows is accepted', () => {
    const commands = [
      ...pages.flatMap(({ path, blocks, inlineCode }) => [
        ...blocks.flatMap(({ text }) => commandsIn(text).map((command) => ({ path, command }))),
        ...inlineCode.flatMap((code) => (/^elastauth [a-z-]/.test(code) ? [{ path, command: code.slice(10) }] : [])),
        ...inlineCode.flatMap((code) => (code.startsWith('npm start -- ') ? [{ path, command: code.slice(13) }] : [])),
      ]),
      ...exampleFiles.flatMap(({ path, text }) => commandsIn(text).map((command) => ({ path, command }))),
    ]
    const faults = commands.flatMap(({ path, command }) => {
      const parsed = parseCommand(splitArguments(command))
      return parsed.name === 'usage-error' ? [`${path}: elastauth ${command}: ${parsed.message}`] : []
    })
    assert.ok(commands.length > 10, `only ${commands.length} commands were found`)
    assert.deepEqual(faults, [])
  })

  test('every flag that a page shows as code is a flag of elastauth, or of another program that the page names', () => {
    const flags = new Set([...flagKeys, ...ownFlags])
    const faults = pages.flatMap(({ path, inlineCode }) =>
      inlineCode
        .flatMap((code) => /^--([\w.-]+)/.exec(code)?.[1] ?? [])
        .filter((flag) => !flags.has(flag) && !otherFlags.has(flag))
        .map((flag) => `${path}: --${flag}`),
    )
    assert.deepEqual(faults, [])
  })

  test('every npm script that a page names is in package.json', () => {
    const { scripts } = JSON.parse(read('package.json'))
    const contributing = { path: 'CONTRIBUTING.md', text: read('CONTRIBUTING.md') }
    const benchmarks = { path: 'bench/README.md', text: read('bench/README.md') }
    assert.deepEqual(
      findFaults([...texts, contributing, benchmarks], /\bnpm run ([\w:]+)/g, ([, name]) => !(name! in scripts)),
      [],
    )
  })

  test("every path of Elasticsearch's security API that a page names exists in its client", () => {
    const client = read('node_modules/@elastic/elasticsearch/lib/api/api/security.js')
    const paths = [...client.matchAll(/path = [`'](\/_security\/.*?)[`'];/g)].map(
      ([, path]) =>
        new RegExp(
          `^${path!
            .split(/\$\{.*?\}(?=\/|$)/)
            .map(RegExp.escape)
            .join('[^/]+')}$`,
        ),
    )
    const pattern = /(?<=^|[\s`"'(]|:\/\/[^/\s`"']+)\/_security\/[^\s`"'?)]+/gm
    assert.ok(paths.length > 20)
    assert.deepEqual(
      findFaults(pages, pattern, ([path]) => !paths.some((known) => known.test(path.replace(/[.,;:]$/, '')))),
      [],
    )
  })
})

/** Flags of Node, of `npm run conformance`, and of oauth2-proxy. */
const otherFlags: ReadonlySet<string> = new Set([
  ...'max-old-space-size identity path-prefix profile'.split(' '),
  ...'pass-authorization-header set-authorization-header'.split(' '),
])

/** The arguments of every call of elastauth in shell lines, a systemd unit, or a list such as `["elastauth", "health"]`. */
function commandsIn(text: string): string[] {
  const shell =
    /(?:^|[|&;(]) *(?:\$ )?(?:[A-Z_]+=\S* )*(?:sudo |exec |npx )?(?:elastauth|npm start --)(?= |$)([^\n|&;#>)]*)/gm
  const unit = /^Exec\w+=(?:\S*\/)?elastauth(?= |$)(.*)$/gm
  const list = /\[ *"?elastauth"?((?:, *"?[\w.-]+"?)*) *\]/g
  const joined = text.replace(/\\\n/g, ' ')
  return [
    ...[...joined.matchAll(shell), ...joined.matchAll(unit)].map(([, rest]) => rest!.trim()),
    ...[...text.matchAll(list)].map(([, rest]) => rest!.replace(/[",]/g, ' ').trim()),
  ]
}

/** Splits a command line at its spaces, outside quotes. */
function splitArguments(line: string): string[] {
  return [...line.matchAll(/(?:"[^"]*"|'[^']*'|\S)+/g)].map(([word]) => word.replace(/["']/g, ''))
}
