#!/usr/bin/env bash
# Starts an example with Docker Compose, sends a browser through it, and removes it. For CI, and by hand.
#   scripts/run-journey.sh EXAMPLE [DIRECTORY]     after a failure, DIRECTORY has a screenshot, a trace and the logs
# ELASTIC_VERSION is the version of Elasticsearch and Kibana. With KEEP=1, or if the example was already running, it keeps running.
set -euo pipefail
cd "$(dirname "$0")/.."

example=${1:?usage: run-journey.sh EXAMPLE [DIRECTORY]}
output=${2:-journey}
index=journey
text='hello from the journey'
url=https://kibana.elastauth.localhost:8443
ca=()
scratch=$(mktemp -d)

compose() { docker compose --file "examples/$example/docker-compose.yml" "$@"; }

cleanup() {
  code=$?
  if [ "$code" -ne 0 ]; then
    mkdir -p "$output"
    # No service logs a password or a key. The trace contains the user's password, which is only for this example.
    compose logs --no-color --timestamps >"$output/compose.log" 2>&1 || true
    compose ps --all >"$output/compose-ps.txt" 2>&1 || true
    echo "run-journey.sh: $example failed; see $output" >&2
  fi
  if [ "${KEEP:-}" != 1 ]; then compose down --volumes --timeout 20 >/dev/null 2>&1 || true; fi
  rm -rf "$scratch"
  exit "$code"
}
trap cleanup EXIT

# trust_authority_of SERVICE
trust_authority_of() {
  secret "$1" ca.crt >"$scratch/ca.crt"
  ca=(--ca "$scratch/ca.crt")
}

# secret SERVICE FILE: with `cp`, because an image without a shell has no `cat`
secret() {
  compose cp "$1:/secrets/$2" "$scratch/$1-$2" >/dev/null 2>&1
  cat "$scratch/$1-$2"
}

# add_document: as elastic, whose password stays in the container
add_document() {
  # shellcheck disable=SC2016 # the shell in the container expands it
  compose exec -T elasticsearch bash -c '
    ca=config/secrets/ca.crt
    printf "user = \"elastic:%s\"\n" "$(cat config/secrets/elastic-password)" |
      curl --config - --silent --show-error --fail --output /dev/null --cacert "$ca" --request PUT \
        --header "Content-Type: application/json" --data "$1" "https://localhost:9200/$0/_doc/1?refresh=true"' \
    "$index" "{\"message\":\"$text\"}"
}

# journey KIND LOGIN USER PASSWORD [ARGUMENTS]
journey() {
  echo "--- $example: $2 signs in ($1)"
  JOURNEY_PASSWORD=$4 PATH="$PWD/node_modules/.bin:$PATH" node test/journeys/main.ts \
    --url "$url" "${ca[@]}" --sign-in "$1" --login "$2" --user "$3" \
    --index "$index" --text "$text" --output "$output/$3" "${@:5}"
}

if [ -n "$(compose ps --all --quiet)" ]; then KEEP=1; fi
compose up --build --detach --wait --wait-timeout 900
case $example in
  traefik-authelia | caddy-authelia)
    trust_authority_of "${example%-authelia}"
    add_document
    journey authelia alice alice "$(secret authelia alice)" --sign-in-url https://auth.elastauth.localhost:8443
    ;;
  standalone-kibana)
    trust_authority_of elastauth
    add_document
    journey dex alice@example.com alice "$(secret dex alice)" --sign-in-url https://id.elastauth.localhost:5556
    # carol may only read: Discover opens the data view that alice's journey has created.
    journey form carol carol "$(secret elastauth carol)"
    ;;
  keycloak-proxy)
    trust_authority_of elastauth
    add_document
    journey keycloak alice alice "$(secret keycloak alice)" --sign-in-url https://id.elastauth.localhost:8444
    ;;
  local-dev)
    # At first, every client is the developer, who may write. Then alice and bob sign in, each with their name as the password.
    curl --silent --show-error --fail --output /dev/null --request PUT --header 'Content-Type: application/json' \
      --data "{\"message\":\"$text\"}" "http://localhost:5000/$index/_doc/1?refresh=true"
    CONFIG=sign-in compose up --detach --wait
    url=http://kibana.localhost:5000
    journey form alice alice alice
    journey form bob bob bob
    ;;
  *)
    echo "run-journey.sh: $example has no journey: add a case for it to this script" >&2
    exit 1
    ;;
esac

if compose logs --no-log-prefix elastauth | grep -E '"log.level":"(error|fatal)"'; then
  echo "run-journey.sh: elastauth has logged errors" >&2
  exit 1
fi
echo "$example: OK"
