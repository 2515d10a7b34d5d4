#!/bin/sh
# Generates every key, certificate and password of this example, each in the folder of the one service that reads it.
#   setup.sh FOLDER
. "${FUNCTIONS:-/setup/functions.sh}"
once "$1" authority elasticsearch kibana elastauth caddy authelia authelia-data

stack
certificate caddy 'DNS:*.elastauth.localhost'
trust caddy
secret elastauth/proxy-secret

echo "header_up X-Elastauth-Proxy-Secret $(cat elastauth/proxy-secret)" >caddy/proxy-secret

authelia

give_stack
give 65532:65532 caddy
give 1000:1000 authelia
[ "$(id -u)" -ne 0 ] || chown 1000:1000 authelia-data
complete
