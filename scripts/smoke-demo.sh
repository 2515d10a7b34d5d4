#!/usr/bin/env bash
# Runs `npm run demo` like a reader of the README: its three curl commands, then Ctrl+C.
#   scripts/smoke-demo.sh [ARGUMENTS OF THE DEMO]
set -euo pipefail
cd "$(dirname "$0")/.."

output=$(mktemp)
pid=
cleanup() {
  if [ -n "$pid" ]; then kill -TERM -- "-$pid" 2>/dev/null || true; fi
  rm -f "$output"
}
trap cleanup EXIT
fail() {
  echo "smoke-demo.sh: $1" >&2
  cat "$output" >&2
  exit 1
}

set -m # a separate process group, which gets Ctrl+C
npm run demo -- "$@" >"$output" 2>&1 &
pid=$!
set +m
for _ in {1..600}; do
  if grep -q 'Stop the demo' "$output"; then break; fi
  kill -0 "$pid" 2>/dev/null || fail 'the demo ended before it was ready'
  sleep 0.5
done
cat "$output"

mapfile -t lines < <(sed -n 's/^ *\(curl .*\)/\1/p' "$output")
[ "${#lines[@]}" -eq 3 ] || fail "3 lines to copy were expected, ${#lines[@]} found"
expected=('"username":"testuser"' '"username" : "testuser"|"username":"testuser"' '"username":"developer"')
for number in 0 1 2; do
  echo "--- line $((number + 1))"
  response=$(bash -c "${lines[number]}")
  sed -E 's/^(authorization: Basic ).*/\1…/I' <<<"$response"
  grep -qE "${expected[number]}" <<<"$response" || fail "line $((number + 1)) did not respond as expected"
done

kill -INT -- "-$pid"
code=0
wait "$pid" || code=$?
if pgrep -g "$pid" -a; then fail 'the demo left a process behind'; fi
pid=
[ "$code" -eq 0 ] || fail "^C ended the demo with $code, not 0"
echo '--- ^C: exit 0, nothing left behind'
