#!/bin/sh
# In Elasticsearch: Kibana's own account gets its password, and elastauth an account that may manage users, and no more.
#   accounts.sh FOLDER URL      the folder that setup.sh has filled, and where Elasticsearch is
set -eu
folder=$1
url=$2

ask() {
  method=$1 path=$2 body=$3
  # the passwords stay out of the command line
  {
    printf 'user = "elastic:%s"\n' "$(cat "$folder/elasticsearch/elastic-password")"
    printf 'data = "%s"\n' "$(printf '%s' "$body" | sed 's/"/\\"/g')"
    if [ -f "$folder/elasticsearch/ca.crt" ]; then printf 'cacert = "%s"\n' "$folder/elasticsearch/ca.crt"; fi
  } | curl --config - --silent --show-error --fail --retry 10 --retry-all-errors --retry-delay 3 --output /dev/null \
    --request "$method" --header 'Content-Type: application/json' "$url$path"
}

password=$(cat "$folder/kibana/password")
ask POST /_security/user/kibana_system/_password "{\"password\":\"$password\"}"
ask PUT /_security/role/elastauth '{"cluster":["manage_security"]}'
password=$(cat "$folder/elastauth/elasticsearch-password")
ask PUT /_security/user/elastauth "{\"password\":\"$password\",\"roles\":[\"elastauth\"]}"
echo 'accounts: kibana_system and elastauth are ready'
