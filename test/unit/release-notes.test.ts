import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

function releaseNotes(...args: string[]) {
  const { status, stdout, stderr } = spawnSync('scripts/release-notes.sh', args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('the release notes of the version in package.json are its section of CHANGELOG.md, without its heading and the next section', () => {
  const { status, stdout } = releaseNotes(version)
  assert.equal(status, 0)
  assert.match(stdout, /^### Added$/m)
  assert.doesNotMatch(stdout, /^## /m)
})

test('the release notes of a version without a section are an error that names the version', () => {
  for (const version of ['9.9.9', '1.0', '']) {
    const { status, stdout, stderr } = releaseNotes(version)
    assert.notEqual(status, 0)
    assert.equal(stdout, '')
    assert.ok(version === '' || stderr.includes(version), stderr)
  }
})

describe('the notes of a release', () => {
  const section = (...lines: string[]) => ['# Changelog', '', '## 1.0.0 (2026-01-01)', '', ...lines, ''].join('\n')
  const breaking = ['### Breaking changes', '', 'None.', '']

  test('every version in CHANGELOG.md says which changes are breaking, so that it can be released', () => {
    const versions = [...readFileSync('CHANGELOG.md', 'utf8').matchAll(/^## (\S+)/gm)].map(([, version]) => version!)
    assert.ok(versions.length > 0)
    for (const version of versions) assert.equal(releaseNotes(version).stderr, '')
  })

  test('a version whose section does not say which changes are breaking, or that there are none, cannot be released', () => {
    for (const lines of [
      ['### Added', '', '- A.'],
      ['### Breaking changes', '', '### Added', '', '- A.'],
      ['### Breaking changes'],
      ['The breaking changes are bad.'],
    ]) {
      const { status, stdout, stderr } = releaseNotesOf(section(...lines))
      assert.notEqual(status, 0)
      assert.equal(stdout, '')
      assert.match(stderr, /has no "### Breaking changes": list them, or write "None\."/)
    }
    assert.equal(releaseNotesOf(section(...breaking)).status, 0)
  })

  test('release notes have no wrapped lines in paragraphs and list items, and keep the lines of headings, tables and code', () => {
    const code = ['```bash', 'a', '  b', '```']
    const table = ['| a |', '|---|', '| b |']
    const { stdout } = releaseNotesOf(
      section(
        ...breaking,
        'One',
        'paragraph.',
        '',
        '- An item',
        '  `goes` on',
        '  - inner',
        '    too',
        '- B',
        '',
        ...code,
        '',
        ...table,
      ),
    )
    assert.equal(
      stdout,
      [
        '',
        ...breaking,
        'One paragraph.',
        '',
        '- An item `goes` on',
        '  - inner too',
        '- B',
        '',
        ...code,
        '',
        ...table,
        '',
      ].join('\n'),
    )
  })

  test('in a GitHub workflow, links in release notes lead to the files of that version, and other links do not change', () => {
    const text = 'See [a](docs/users.md#b), [c](https://c.example/d) and [e](#f).'
    const { stdout } = releaseNotesOf(section(...breaking, text), { GITHUB_REPOSITORY: 'owner/name' })
    assert.ok(
      stdout.includes(
        'See [a](https://github.com/owner/name/blob/v1.0.0/docs/users.md#b), [c](https://c.example/d) and [e](#f).',
      ),
      stdout,
    )
  })
})

/** What the script prints for version 1.0.0 of another changelog. */
function releaseNotesOf(changelog: string, env: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'release-notes-'))
  try {
    mkdirSync(join(folder, 'scripts'))
    copyFileSync('scripts/release-notes.sh', join(folder, 'scripts/release-notes.sh'))
    writeFileSync(join(folder, 'CHANGELOG.md'), changelog)
    const { GITHUB_REPOSITORY: _, ...others } = process.env
    const options = { encoding: 'utf8', env: { ...others, ...env } } as const
    const { status, stdout, stderr } = spawnSync(join(folder, 'scripts/release-notes.sh'), ['1.0.0'], options)
    return { status, stdout, stderr }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
