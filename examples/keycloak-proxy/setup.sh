#!/bin/sh
# Generates every key, certificate and password of this example, each in the folder of the one service that reads it.
#   setup.sh FOLDER
realm=$(realpath "$(dirname "$0")/realm.json")
. "${FUNCTIONS:-/setup/functions.sh}"
once "$1" authority elasticsearch kibana elastauth redis keycloak keycloak-import keycloak-data

stack
# Browsers use the first name, and Keycloak the second, for back-channel logout.
certificate elastauth 'DNS:*.elastauth.localhost,DNS:elastauth,DNS:localhost'
certificate keycloak DNS:id.elastauth.localhost,DNS:keycloak
trust keycloak
secret elastauth/client-secret

redis noeviction

secret keycloak/admin
secret keycloak/alice
secret keycloak/bob
cat >keycloak/keycloak.conf <<CONF
hostname=https://id.elastauth.localhost:8444
https-port=8444
https-certificate-file=/secrets/tls.crt
https-certificate-key-file=/secrets/tls.key
truststore-paths=/secrets/ca.crt
health-enabled=true
http-management-scheme=http
# One Keycloak with a database in a file: for more, use PostgreSQL.
db=dev-file
cache=local
bootstrap-admin-username=admin
bootstrap-admin-password=$(cat keycloak/admin)
CONF
# Not as arguments, which other programs can read.
sed -f /dev/stdin "$realm" >keycloak-import/elastauth-realm.json <<SED
s/\${client_secret}/$(cat elastauth/client-secret)/
s/\${alice}/$(cat keycloak/alice)/
s/\${bob}/$(cat keycloak/bob)/
SED

give_stack
give 999:1000 redis
give 1000:0 keycloak
give 1000:0 keycloak-import
[ "$(id -u)" -ne 0 ] || chown 1000:0 keycloak-data
complete
