#!/usr/bin/env bash
# Lints .github/workflows: actionlint finds errors, and zizmor finds vulnerabilities.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.32.0
zizmor=$PWD/.cache/zizmor-$version/bin/zizmor
if [ ! -x "$zizmor" ]; then
  python3 -m venv "${zizmor%/bin/zizmor}"
  "${zizmor%/zizmor}/pip" install --quiet --disable-pip-version-check "zizmor==$version"
fi
"$(scripts/go-tool.sh github.com/rhysd/actionlint/cmd/actionlint v1.7.12)"
"$zizmor" --offline --quiet --min-severity medium .github
echo '.github/workflows: no complaints from actionlint and zizmor'
