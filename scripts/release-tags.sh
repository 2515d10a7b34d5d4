#!/usr/bin/env bash
# Prints the tags that a version gets in the registries, as outputs of a step in release.yml.
#   git tag | scripts/release-tags.sh 1.0.0-rc.1
# A pre-release moves no tag that users follow: npm's `latest`, and `1.0` and `latest` of the image. A fix for an older version does not
# move the tags of a newer one. Standard input has the tags of the repository.
set -euo pipefail

version=${1:?usage: git tag | release-tags.sh VERSION}
minor=$(cut -d. -f1,2 <<<"$version")
newest() { printf '%s\n' "v$version" "$@" | sort -V | tail -n 1; }
mapfile -t released < <(grep -xE 'v[0-9]+\.[0-9]+\.[0-9]+' || true)
mapfile -t same < <(printf '%s\n' "${released[@]}" | grep -F "v$minor." || true)

image=$version npm=release-$minor prerelease=false
if [[ $version == *-* ]]; then
  npm=next prerelease=true
else
  if [ "$(newest "${same[@]}")" = "v$version" ]; then image+=" $minor"; fi
  if [ "$(newest "${released[@]}")" = "v$version" ]; then image+=' latest' npm=latest; fi
fi
printf '%s\n' "version=$version" "image=$image" "npm=$npm" "prerelease=$prerelease"
