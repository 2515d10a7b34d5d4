#!/usr/bin/env bash
# Runs the result of build-image-tree.sh as the image would: an unprivileged account, nothing writable, `elastauth health`, SIGTERM.
#   scripts/check-image-tree.sh TREE
set -euo pipefail

tree=$(cd "${1:?usage: check-image-tree.sh TREE}" && pwd)
port=${PORT:-5055}
place=$(mktemp -d)
pid=
cleanup() {
  if [ -n "$pid" ]; then kill -KILL "$pid" 2>/dev/null || true; fi
  chmod -R u+w "$place"
  rm -rf "$place"
}
trap cleanup EXIT

# Copied together with Node, because the account may have no access to the checkout's directory.
mkdir "$place/app" "$place/node"
cp -R "$tree/." "$place/app"
cp "$(node -p process.execPath)" "$place/node/node"
chmod -R a+rX,a-w "$place"

# If this runs as root, it switches to the unprivileged account.
step_down=()
if [ "$(id -u)" -eq 0 ]; then step_down=(setpriv --reuid 65534 --regid 65534 --clear-groups); fi
as_nobody() {
  cd "$place/app"
  exec "${step_down[@]}" env -i PATH="$place/node:$place/app/bin:/usr/bin:/bin" HOME=/nonexistent TMPDIR=/nonexistent NODE_ENV=production \
    ELASTAUTH_LISTEN=":$port" ELASTAUTH_SECRET_KEY="$key" \
    ELASTAUTH_DEFAULT_ROLES=viewer ELASTAUTH_ELASTICSEARCH_DRY_RUN=true "$@"
}

node -e '
  const { bomFormat, specVersion, metadata, components } = JSON.parse(fs.readFileSync(process.argv[1]))
  if (bomFormat !== "CycloneDX" || specVersion === undefined) throw new Error(`the SBOM has the format ${bomFormat} ${specVersion}`)
  for (const { name, version, purl, hashes } of components)
    if (!purl?.endsWith(`@${version}`) || !hashes?.length) throw new Error(`the SBOM does not identify ${name} by version and hash`)
  const name = metadata.component.name
  if (name !== "elastauth" || components.length < 10) throw new Error(`the SBOM is of ${name}: ${components.length} parts`)
  for (const part of ["undici", "pino"]) if (!components.some(({ name }) => name === part)) throw new Error(`no ${part} in the SBOM`)
' "$place/app/sbom.cdx.json"

key=$(printf '0%.0s' {1..64})
key=$(as_nobody elastauth --generateKey)
if (as_nobody touch "$place/app/written" 2>/dev/null); then
  echo "check-image-tree.sh: the tree is writable" >&2
  exit 1
fi

(as_nobody elastauth) &
pid=$!
for _ in {1..50}; do
  if (as_nobody elastauth health) >/dev/null 2>&1; then break; fi
  sleep 0.2
done
(as_nobody elastauth health)
curl -fsS -H 'Remote-User: testuser' -H 'Remote-Groups: users' "http://127.0.0.1:$port/"
echo

kill -TERM "$pid"
code=0
wait "$pid" || code=$?
pid=
if [ "$code" -ne 0 ]; then
  echo "check-image-tree.sh: SIGTERM ended it with $code, not 0" >&2
  exit 1
fi
echo "The image's tree runs as an unprivileged user without writing, health responds, and SIGTERM ends it with 0. ($(du -sh "$tree" | cut -f1))"
