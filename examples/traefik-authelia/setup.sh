#!/bin/sh
# Generates every key, certificate and password of this example, each in the folder of the one service that reads it.
#   setup.sh FOLDER
. "${FUNCTIONS:-/setup/functions.sh}"
once "$1" authority elasticsearch kibana elastauth redis traefik authelia authelia-data

stack
certificate traefik 'DNS:*.elastauth.localhost'
trust traefik
secret elastauth/proxy-secret

redis volatile-lru

cat >traefik/proxy-secret.yml <<YAML
http:
  middlewares:
    proxy-secret:
      headers: { customRequestHeaders: { X-Elastauth-Proxy-Secret: $(cat elastauth/proxy-secret) } }
YAML

authelia

give_stack
give 999:1000 redis
give 65532:65532 traefik
give 1000:1000 authelia
[ "$(id -u)" -ne 0 ] || chown 1000:1000 authelia-data
complete
