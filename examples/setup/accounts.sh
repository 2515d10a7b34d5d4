#!/bin/sh
# In Elasticsearch: sets the password of Kibana's own account, and creates an account for elastauth that may only manage users.
#   accounts.sh FOLDER URL [ROLE DEFINITION]     the folder that setup.sh has filled, Elasticsearch, and a role to create
set -eu
folder=$1
url=$2

ask() {
  method=$1 path=$2 body=$3
  # Passwords must not be on a command line, which other processes can read.
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
if [ $# -gt 2 ]; then ask PUT "/_security/role/$3" "$4"; fi
echo 'accounts: kibana_system and elastauth are ready'
