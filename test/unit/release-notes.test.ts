import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

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
