#!/bin/sh
# Generates every key, certificate and password of this example, each in the folder of the one service that reads it.
#   setup.sh FOLDER
. "${FUNCTIONS:-/setup/functions.sh}"
once "$1" authority elasticsearch kibana elastauth dex

stack
certificate elastauth 'DNS:*.elastauth.localhost,DNS:localhost'
certificate dex DNS:id.elastauth.localhost,DNS:dex
trust dex
secret elastauth/client-secret

# bcrypt, for Dex and for elastauth
hash() { htpasswd -niBC 10 '' <"$1" | tr -d ':\n'; }
secret elastauth/carol
cat >elastauth/users.yml <<YAML
users:
  carol: { name: Carol Reader, email: carol@example.com, groups: [users], password_hash: "$(hash elastauth/carol)" }
YAML
secret dex/alice
secret dex/bob
cat >dex/dex.yml <<YAML
issuer: https://id.elastauth.localhost:5556/dex
storage: { type: memory }
web: { https: "0.0.0.0:5556", tlsCert: /secrets/tls.crt, tlsKey: /secrets/tls.key }
telemetry: { http: "127.0.0.1:5558" }
frontend: { dir: /srv/dex/web }
oauth2: { skipApprovalScreen: true }
staticClients:
  - id: elastauth
    name: Kibana
    secret: $(cat elastauth/client-secret)
    redirectURIs: ["https://kibana.elastauth.localhost:8443/elastauth/callback"]
enablePasswordDB: true
staticPasswords:
  - { userID: "1", preferredUsername: alice, username: alice, name: Alice Admin, email: alice@example.com, groups: [admins], hash: "$(hash dex/alice)" }
  - { userID: "2", preferredUsername: bob, username: bob, name: Bob Reader, email: bob@example.com, groups: [users], hash: "$(hash dex/bob)" }
YAML

give_stack
give 1001:1001 dex
complete
