import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { versionFaults } from '../../scripts/check-versions.ts'

const read = (path: string) => readFileSync(path, 'utf8')

describe('the tags of a release', () => {
  const released = ['v1.0.0-rc.1', 'v1.0.0', 'v1.0.9', 'v1.1.0', 'v1.1.1-rc.1', 'v1.1', 'nightly']

  for (const [version, image, npm, prerelease] of [
    ['1.2.0', '1.2.0 1.2 latest', 'latest', false],
    ['1.1.1', '1.1.1 1.1 latest', 'latest', false],
    ['1.0.10', '1.0.10 1.0', 'release-1.0', false],
    ['1.0.8', '1.0.8', 'release-1.0', false],
    ['2.0.0-rc.1', '2.0.0-rc.1', 'next', true],
    ['1.1.2-beta.3', '1.1.2-beta.3', 'next', true],
  ] as const)
    test(`version ${version} after 1.0.9 and 1.1.0 is the image ${image} and the package ${npm}`, () => {
      assert.deepEqual(tagsOf(version, released), { version, image, npm, prerelease: `${prerelease}` })
    })

  test('the first release gets the tag latest', () => {
    assert.deepEqual(tagsOf('1.0.0', ['v1.0.0']), {
      version: '1.0.0',
      image: '1.0.0 1.0 latest',
      npm: 'latest',
      prerelease: 'false',
    })
  })
})

describe('the versions in the files of a release', () => {
  const url = 'git+https://github.com/owner/name.git'
  const files = {
    package: { version: '1.0.0', repository: { url } },
    lock: { version: '1.0.0', packages: { '': { version: '1.0.0' }, 'node_modules/a': { version: '2.0.0' } } },
    chart: { version: '1.0.0', appVersion: '1.0.0' },
    changelog: '# Changelog\n\n## 1.0.0 (2026-01-01)\n\n## 0.9.0 (2025-01-01)\n',
  }

  test('a release with equal versions, a date and the repository of the workflow has no faults', () => {
    assert.deepEqual(versionFaults(files, 'v1.0.0', 'owner/name'), [])
  })

  test('a file or a tag with another version is a fault that names it', () => {
    const chart = { version: '0.9.0', appVersion: '0.9.1' }
    const lock = { version: '0.9.2', packages: { '': { version: '0.9.3' } } }
    const faults = versionFaults({ ...files, chart, lock }, 'v0.9.4', 'owner/name')
    assert.deepEqual(
      faults.map((fault) => /but (.*): make/.exec(fault)?.[1]),
      [
        'package-lock.json has 0.9.2',
        'package-lock.json, packages has 0.9.3',
        'version in Chart.yaml has 0.9.0',
        'appVersion in Chart.yaml has 0.9.1',
        'the tag has 0.9.4',
      ],
    )
  })

  test('a version that a registry rejects as a tag, or that no pattern of the workflow recognizes, is a fault', () => {
    for (const version of ['1.0.0+build.1', '1.0.0-rc.1+2', '1.0', '01.0.0', '1.0.0-', '1.0.0 2']) {
      const changelog = `## ${version} (2026-01-01)\n`
      const faults = versionFaults({ ...files, changelog, package: { ...files.package, version } })
      assert.match(
        faults.join('\n'),
        /has the version .*: write three numbers, and for a pre-release such as 1\.0\.0-rc\.1/,
      )
    }
    const version = '10.20.30-rc-1.alpha.2'
    assert.doesNotMatch(versionFaults({ ...files, package: { version } }).join(), /three numbers/)
  })

  test('a version without a section of its own in CHANGELOG.md is a fault, even if another version begins with it', () => {
    for (const changelog of ['## 0.9.0\n', '## 1.0.0-rc.1 (2026-01-01)\n', '## 1.0.01\n'])
      assert.match(versionFaults({ ...files, changelog }).join(), /^CHANGELOG\.md has no section "## 1\.0\.0"/)
  })

  test('a tag needs a date in CHANGELOG.md and the repository in package.json; a dry run needs neither', () => {
    const early = { ...files, package: { version: '1.0.0' }, changelog: '## 1.0.0 (unreleased)\n' }
    assert.deepEqual(versionFaults(early), [])
    assert.deepEqual(versionFaults(early, 'v1.0.0', 'owner/name'), [
      '"## 1.0.0 (unreleased)" in CHANGELOG.md has no date: write "## 1.0.0 (YYYY-MM-DD)"',
      `npm verifies the provenance against repository.url in package.json: npm pkg set repository.url=${url}`,
    ])
    assert.equal(versionFaults(files, 'v1.0.0', 'fork/name').length, 1)
  })
})

describe('the workflow of a release', () => {
  const { jobs } = parse(read('.github/workflows/release.yml')) as { jobs: Jobs }
  const commands = ({ steps }: Job) => steps.map(({ run }) => run ?? '').join('\n')

  test('the release workflow publishes only what scripts/build-release.sh has built and checked, and .ci/run runs that script', () => {
    assert.match(commands(jobs.build), /scripts\/build-release\.sh release "\$GITHUB_REF_NAME"/)
    assert.match(read('.ci/run'), /scripts\/build-release\.sh /)
    assert.doesNotMatch([jobs.registry, jobs.npm, jobs.github].map(commands).join(), /npm (?:ci|pack|run|exec|install)/)
  })

  test('scripts/build-release.sh packages the chart with the version of Helm that tests it', () => {
    const helm = (path: string) => /helm\/v3\/cmd\/helm (v[\d.]+)/.exec(read(path))?.[1]
    assert.ok(helm('scripts/build-release.sh'))
    assert.equal(helm('scripts/build-release.sh'), helm('scripts/check-kubernetes.sh'))
  })

  test('the job of the release workflow that runs the code of dependencies may neither publish nor sign', () => {
    assert.deepEqual(jobs.build.permissions, { contents: 'read' })
  })

  test('the release workflow publishes nothing before all tests have passed, and the GitHub release last', () => {
    assert.deepEqual(jobs.registry.needs, ['checks', 'build'])
    assert.deepEqual(jobs.npm.needs, ['build', 'registry'])
    assert.deepEqual(jobs.github.needs, ['build', 'npm'])
  })

  for (const [description, published, isPublished] of [
    ['publishes a version that is not at npm', '', true],
    ['does not publish a version a second time, so that a failed run can be completed', integrityOf('package'), false],
    ['publishes, and so fails, if npm has another package of this version', integrityOf('another package'), true],
  ] as const)
    test(`the job npm ${description}`, (context) => {
      const folder = mkdtempSync(join(tmpdir(), 'elastauth-release-'))
      context.after(() => rmSync(folder, { recursive: true }))
      mkdirSync(join(folder, 'release/npm'), { recursive: true })
      writeFileSync(join(folder, 'release/npm/elastauth-1.0.0.tgz'), 'package')
      const npm = '#!/bin/sh\nif [ "$1" = view ]; then echo "$PUBLISHED"; else echo "$@" >>calls; fi\n'
      writeFileSync(join(folder, 'npm'), npm, { mode: 0o755 })
      writeFileSync(join(folder, 'calls'), '')
      const env = { PATH: `${folder}:${process.env.PATH}`, PUBLISHED: published, TAG: 'latest', VERSION: '1.0.0' }
      const { status, stderr } = spawnSync('bash', ['--norc', '-e', '-c', jobs.npm.steps.at(-1)!.run!], {
        cwd: folder,
        env,
        encoding: 'utf8',
      })
      assert.deepEqual([status, stderr], [0, ''])
      const publish = 'publish ./release/npm/elastauth-1.0.0.tgz --provenance --access public --tag latest\n'
      assert.equal(read(join(folder, 'calls')), isPublished ? publish : '')
    })
})

test('the package contains the systemd unit, and docs/operations.md installs it from there', () => {
  const unit = 'deploy/systemd/elastauth.service'
  assert.ok((JSON.parse(read('package.json')) as { files: string[] }).files.includes(unit))
  assert.ok(
    read('docs/operations.md').includes(
      `install -m 0644 "$(npm root --global)/elastauth/${unit}" /etc/systemd/system/`,
    ),
  )
})

type Jobs = Readonly<Record<'checks' | 'build' | 'registry' | 'npm' | 'github', Job>>

interface Job {
  readonly needs?: readonly string[]
  readonly permissions: Readonly<Record<string, string>>
  readonly steps: readonly { readonly run?: string }[]
}

function integrityOf(text: string): string {
  return `sha512-${createHash('sha512').update(text).digest('base64')}`
}

function tagsOf(version: string, released: readonly string[]): Record<string, string> {
  const input = released.map((tag) => `${tag}\n`).join('')
  const { stdout, stderr } = spawnSync('scripts/release-tags.sh', [version], { input, encoding: 'utf8' })
  assert.equal(stderr, '')
  return Object.fromEntries(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('=') as [string, string]),
  )
}
