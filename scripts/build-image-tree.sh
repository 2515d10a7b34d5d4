#!/usr/bin/env bash
# Creates the content of the image: the compiled program, its production dependencies and its command.
#   scripts/build-image-tree.sh TARGET
# The Dockerfile runs this, and so does CI without Docker. It does not change the checkout.
set -euo pipefail

target=${1:?usage: build-image-tree.sh TARGET}
source=$(cd "$(dirname "$0")/.." && pwd)
if [ -e "$target" ] && [ -n "$(ls -A "$target")" ]; then
  echo "build-image-tree.sh: $target is not empty" >&2
  exit 1
fi
mkdir -p "$target"
target=$(cd "$target" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$source"
# the SBOM contains the name of the folder
mkdir "$work/elastauth"
cp -R package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json src config "$work/elastauth"
cd "$work/elastauth"

npm ci
npm run build
npm prune --omit=dev
npm sbom --package-lock-only --sbom-format cyclonedx --omit dev >sbom.cdx.json

cp -R dist node_modules package.json sbom.cdx.json "$target"
mkdir "$target/bin"
ln -s ../dist/src/main.js "$target/bin/elastauth"
mkdir "$target/config"
cp config/elastauth.example.yml "$target/config"
for file in LICENSE CHANGELOG.md; do
  if [ -e "$source/$file" ]; then cp "$source/$file" "$target"; fi
done
chmod -R a+rX,go-w "$target"
