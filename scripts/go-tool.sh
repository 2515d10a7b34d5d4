#!/usr/bin/env bash
# Prints the path of a Go program, and builds it from its module if necessary.
#   scripts/go-tool.sh MODULE VERSION
set -euo pipefail
cd "$(dirname "$0")/.."

module=${1:?usage: go-tool.sh MODULE VERSION}
version=${2:?usage: go-tool.sh MODULE VERSION}

name=$(basename "${module%/v[0-9]*}")
target=$PWD/.cache/$name-$version
if [ ! -x "$target/$name" ]; then
  go=$(scripts/go.sh)
  GOBIN=$target GOTOOLCHAIN=local "$go" install "$module@$version" >&2
fi
echo "$target/$name"
