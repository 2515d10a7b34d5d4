#!/usr/bin/env bash
# Prints the release notes of a version: its section in CHANGELOG.md, without the heading. The section must have a part
# "Breaking changes", with the text "None." if there are none, so that none is forgotten.
#   scripts/release-notes.sh 1.0.0-rc.1
# In a GitHub workflow, links to files become absolute. Wrapped lines are joined, because GitHub shows each line break of the notes.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:?usage: release-notes.sh VERSION}
notes=$(awk -v heading="## $version" '
  /^## / { found = $0 == heading || index($0, heading " ") == 1; next }
  found' CHANGELOG.md)
if [ -z "${notes//[[:space:]]/}" ]; then
  echo "CHANGELOG.md has no section \"## $version\"" >&2
  exit 1
fi
if ! awk '/^#/ { found = $0 == "### Breaking changes"; next } found && NF { text = 1 } END { exit !text }' <<<"$notes"; then
  echo "the section \"## $version\" in CHANGELOG.md has no \"### Breaking changes\": list them, or write \"None.\"" >&2
  exit 1
fi

joined=$(awk '
  /^```/ { code = !code }
  !code && line != "" && line !~ /^([#|]|```)/ && !/^ *([-#|]|```|$)/ { sub(/^ +/, ""); line = line " " $0; next }
  NR > 1 { print line }
  { line = $0 }
  END { print line }' <<<"$notes")
if [ -n "${GITHUB_REPOSITORY:-}" ]; then
  joined=$(sed -E "s%\]\(([^:()#][^:()]*)\)%](https://github.com/$GITHUB_REPOSITORY/blob/v$version/\1)%g" <<<"$joined")
fi
printf '%s\n' "$joined"
