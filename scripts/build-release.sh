#!/usr/bin/env bash
# Builds and checks everything that a release consists of, and publishes nothing. The workflow release.yml publishes the result;
# CI runs this without a tag, as a dry run.
#   scripts/build-release.sh OUTPUT [TAG]
set -euo pipefail

output=$(mkdir -p "${1:?usage: build-release.sh OUTPUT [TAG]}" && cd "$1" && pwd)
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
step() { printf -- '--- %s\n' "$*"; }

step 'Versions'
node scripts/check-versions.ts "${@:2}"
version=$(node -p 'require("./package.json").version')

step 'Release notes'
scripts/release-notes.sh "$version" >"$output/notes.md"

step 'The npm package'
mkdir "$output/npm"
npm pack --silent --pack-destination "$output/npm"
package=$output/npm/elastauth-$version.tgz
PACKAGE=$package node --test --test-reporter=spec test/integration/package.test.ts
tags=$( (git tag || true) | scripts/release-tags.sh "$version") # without tags, as if this were the first release
npm publish --dry-run --silent --tag "$(sed -n 's/^npm=//p' <<<"$tags")" "$package"

step 'What the image contains'
scripts/build-image-tree.sh "$scratch/app"
scripts/check-image-tree.sh "$scratch/app"
cp "$scratch/app/sbom.cdx.json" "$output/elastauth-$version.cdx.json"

step 'Reproducibility: two builds in two folders have the same result'
tar -xzf "$package" -C "$scratch"
for part in dist package.json config/elastauth.example.yml CHANGELOG.md LICENSE; do
  diff -r "$scratch/package/$part" "$scratch/app/$part"
done

step 'The Helm chart'
helm=$(scripts/go-tool.sh helm.sh/helm/v3/cmd/helm v3.22.0) # as in check-kubernetes.sh, which tests the chart
"$helm" package --destination "$output/chart" deploy/helm/elastauth

step 'The systemd unit'
scripts/check-systemd.sh "$package"

step "Release $version"
printf '%s\n' "$tags"
(cd "$output" && find . -type f -exec sha256sum {} +)
