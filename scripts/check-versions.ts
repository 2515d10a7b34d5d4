/**
 * Checks that all files of a release have the same version: `node scripts/check-versions.ts [TAG]`. Without a tag, as in CI, the
 * date of the release and `repository` may be missing.
 */

import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

interface Files {
  readonly package: { readonly version: string; readonly repository?: { readonly url: string } }
  readonly lock: {
    readonly version: string
    readonly packages: Readonly<Record<string, { readonly version?: string }>>
  }
  readonly chart: { readonly version: string; readonly appVersion: string }
  readonly changelog: string
}

const versionPattern = /^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/

/** `repository` is `OWNER/NAME` at GitHub. */
export function versionFaults(files: Files, tag?: string, repository?: string): string[] {
  const { version } = files.package
  const heading = files.changelog.split('\n').find((line) => line.split(' ').slice(0, 2).join(' ') === `## ${version}`)
  const expected = {
    'package-lock.json': files.lock.version,
    'package-lock.json, packages': files.lock.packages['']?.version,
    'version in Chart.yaml': files.chart.version,
    'appVersion in Chart.yaml': files.chart.appVersion,
    'the tag': tag === undefined ? version : tag.replace(/^v/, ''),
  }
  return [
    // The rest of Semantic Versioning, `+build`, cannot be the tag of an image.
    ...(versionPattern.test(version)
      ? []
      : [`package.json has the version ${version}: write three numbers, and for a pre-release such as 1.0.0-rc.1`]),
    ...Object.entries(expected)
      .filter(([, value]) => value !== version)
      .map(([name, value]) => `package.json has the version ${version}, but ${name} has ${value}: make them equal`),
    ...(heading === undefined ? [`CHANGELOG.md has no section "## ${version}": write what has changed`] : []),
    ...(tag === undefined ? [] : releaseFaults(version, heading, files.package.repository?.url, repository)),
  ]
}

function releaseFaults(version: string, heading: string | undefined, url?: string, repository?: string): string[] {
  const expected = `git+https://github.com/${repository}.git`
  return [
    ...(heading === undefined || /^## \S+ \(\d{4}-\d\d-\d\d\)$/.test(heading)
      ? []
      : [`"${heading}" in CHANGELOG.md has no date: write "## ${version} (YYYY-MM-DD)"`]),
    ...(url === expected
      ? []
      : [`npm verifies the provenance against repository.url in package.json: npm pkg set repository.url=${expected}`]),
  ]
}

if (import.meta.main) {
  const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
  const files = {
    package: JSON.parse(read('package.json')),
    lock: JSON.parse(read('package-lock.json')),
    chart: parse(read('deploy/helm/elastauth/Chart.yaml')),
    changelog: read('CHANGELOG.md'),
  }
  const faults = versionFaults(files, process.argv[2], process.env.GITHUB_REPOSITORY)
  for (const fault of faults) console.error(`check-versions.ts: ${fault}`)
  if (faults.length > 0) process.exitCode = 1
}
