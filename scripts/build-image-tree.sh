#!/usr/bin/env bash
# Creates the content of the image: the program, which contains its dependencies, their list (SBOM), and the command `elastauth`.
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
mkdir -p "$work/elastauth/scripts"
cp -R package.json package-lock.json .npmrc src config "$work/elastauth"
cp scripts/build.ts "$work/elastauth/scripts"
cd "$work/elastauth"

npm ci
npm run build
# without the time and the random number, so that every build has the same result
npm sbom --package-lock-only --sbom-format cyclonedx --omit dev | node -e '
  const sbom = JSON.parse(fs.readFileSync(0))
  delete sbom.serialNumber
  delete sbom.metadata.timestamp
  console.log(JSON.stringify(sbom, undefined, 2))
' >sbom.cdx.json

cp -R dist package.json sbom.cdx.json "$target"
mkdir "$target/bin"
ln -s ../dist/main.cjs "$target/bin/elastauth"
mkdir "$target/config"
cp config/elastauth.example.yml "$target/config"
for file in LICENSE CHANGELOG.md; do
  if [ -e "$source/$file" ]; then cp "$source/$file" "$target"; fi
done
chmod -R a+rX,go-w "$target"
