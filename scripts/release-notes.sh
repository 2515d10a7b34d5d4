#!/usr/bin/env bash
# Prints the section of a version in CHANGELOG.md, without its heading: the notes of a release.
#   scripts/release-notes.sh 1.0.0-rc.1
set -euo pipefail
cd "$(dirname "$0")/.."

notes=$(awk -v heading="## ${1:?usage: release-notes.sh VERSION}" '
  /^## / { found = $0 == heading || index($0, heading " ") == 1; next }
  found' CHANGELOG.md)
if [ -z "${notes//[[:space:]]/}" ]; then
  echo "CHANGELOG.md has no section \"## $1\"" >&2
  exit 1
fi
printf '%s\n' "$notes"
