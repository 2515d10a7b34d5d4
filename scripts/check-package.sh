#!/usr/bin/env bash
# Checks what an npm package contains, installs it into an empty folder, and runs it there.
#   scripts/check-package.sh PACKAGE.tgz
set -euo pipefail
cd "$(dirname "$0")/.."

package=$(realpath "${1:?usage: check-package.sh PACKAGE.tgz}")
port=${PORT:-5056}
place=$(mktemp -d)
pid=
cleanup() {
  if [ -n "$pid" ]; then kill -KILL "$pid" 2>/dev/null || true; fi
  rm -rf "$place"
}
trap cleanup EXIT
fail() {
  echo "check-package.sh: $1" >&2
  exit 1
}

# Each line is a pattern of files that have to be there; there may be no others.
patterns='dist/main\.cjs
dist/[A-Za-z0-9.-]+-[A-Za-z0-9_-]{8}\.cjs
dist/third-party-licenses\.txt
config/elastauth\.example\.yml
config/schema\.json
deploy/systemd/elastauth\.service
package\.json
CHANGELOG\.md
LICENSE
README\.md'
files=$(tar -tzf "$package" | sed 's/^package\///')
while read -r pattern; do
  grep -qxE "$pattern" <<<"$files" || fail "the package has no file like $pattern"
done <<<"$patterns"
if others=$(grep -vxE "$(paste -sd'|' <<<"$patterns")" <<<"$files"); then fail "the package has files that are not listed here: $others"; fi

npm install --global --prefix "$place" --prefer-offline --no-audit --loglevel=error "$package"
export PATH="$place/bin:$PATH"
cd "$place" # from here on, nothing of the checkout is found
version=$(node -p 'require("./lib/node_modules/elastauth/package.json").version')
[ "$(elastauth --version)" = "$version" ] || fail "elastauth --version printed $(elastauth --version), not $version"
env ELASTAUTH_SECRET_KEY="$(elastauth --generateKey)" elastauth config check --config lib/node_modules/elastauth/config/elastauth.example.yml

env ELASTAUTH_LISTEN="127.0.0.1:$port" ELASTAUTH_SECRET_KEY="$(elastauth --generateKey)" ELASTAUTH_DEFAULT_ROLES=viewer \
  ELASTAUTH_ELASTICSEARCH_DRY_RUN=true elastauth >log 2>&1 &
pid=$!
request() { curl -fsS -H 'Remote-User: testuser' "http://127.0.0.1:$port/"; }
for _ in {1..100}; do
  if request >/dev/null 2>&1; then break; fi
  kill -0 "$pid" || fail "elastauth ended: $(cat log)"
  sleep 0.1
done
request
echo
kill -TERM "$pid"
wait "$pid" || fail "SIGTERM ended it with $?, not 0"
pid=
echo "$(basename "$package"): $(wc -l <<<"$files") files, none of them unexpected; installed, it responds."
