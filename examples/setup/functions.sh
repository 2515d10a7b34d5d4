# Sourced by the examples' setup.sh.
set -eu
umask 077

# once FOLDER NAME...: enters the folder and creates a folder in it for each name; exits if an earlier run has created everything
once() {
  cd "$1"
  shift
  mkdir -p "$@"
  if [ -e authority/complete ]; then
    echo 'setup: nothing to do'
    exit 0
  fi
}

# secret FILE: 64 hex digits
secret() {
  openssl rand -hex 32 >"$1"
}

# The machine's own openssl.cnf must not influence the certificates.
requests=$(mktemp)
trap 'rm -f "$requests"' EXIT
printf '[req]\ndistinguished_name = name\n[name]\n' >"$requests"
new_certificate() {
  openssl req -config "$requests" -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 "$@" 2>/dev/null
}

# authority: a certificate authority for this example
authority() {
  new_certificate -keyout authority/ca.key -out authority/ca.crt -subj '/CN=elastauth example CA' \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}

# certificate FOLDER NAMES: tls.crt and tls.key for a server, e.g. DNS:localhost,DNS:elasticsearch
certificate() {
  new_certificate -CA authority/ca.crt -CAkey authority/ca.key -keyout "$1/tls.key" -out "$1/tls.crt" \
    -subj "/CN=$1" -addext "subjectAltName=$2" -addext basicConstraints=critical,CA:FALSE \
    -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth
}

# stack: the secrets of Elasticsearch, Kibana and elastauth, with TLS to Elasticsearch, and Kibana at kibana.elastauth.localhost
stack() {
  authority
  certificate elasticsearch DNS:elasticsearch,DNS:localhost
  for service in elasticsearch kibana elastauth; do trust "$service"; done
  secret elasticsearch/elastic-password
  kibana https://kibana.elastauth.localhost:8443
  secret elastauth/secret-key
  secret elastauth/elasticsearch-password
}

# trust FOLDER: ca.crt, the certificate of the authority, for a client
trust() {
  cp authority/ca.crt "$1/ca.crt"
}

# kibana ADDRESS: its secrets, and settings for a Kibana that users open at this address and that uses TLS to Elasticsearch
kibana() {
  secret kibana/password
  secret kibana/key
  cat >kibana/kibana.yml <<YAML
server: { host: 0.0.0.0, publicBaseUrl: "$1" }
elasticsearch:
  hosts: ["https://elasticsearch:9200"]
  ssl: { certificateAuthorities: [/secrets/ca.crt] }
  username: kibana_system
  password: $(cat kibana/password)
xpack.security.encryptionKey: $(cat kibana/key)
xpack.encryptedSavedObjects.encryptionKey: $(cat kibana/key)
xpack.reporting.encryptionKey: $(cat kibana/key)
telemetry.optIn: false
YAML
}

# redis POLICY: its configuration, with the password that elastauth reads. POLICY says what to evict when the memory is full:
# noeviction if Redis holds sessions.
redis() {
  secret elastauth/redis-password
  cp elastauth/redis-password redis/password
  cat >redis/redis.conf <<CONF
requirepass $(cat redis/password)
# Redis needs no persistence. 64 MB are enough for more than 100,000 users of 300 bytes, or 10,000 sessions.
save ""
maxmemory 64mb
maxmemory-policy $1
CONF
}

# authelia: its secrets, and the users alice and bob
authelia() {
  for name in session storage reset alice bob; do secret "authelia/$name"; done
  cat >authelia/users.yml <<YAML
users:
  alice:
    displayname: Alice Admin
    email: alice@elastauth.localhost
    groups: [admins, users]
    password: "$(openssl passwd -6 -stdin <authelia/alice)"
  bob:
    displayname: Bob Reader
    email: bob@elastauth.localhost
    groups: [users]
    password: "$(openssl passwd -6 -stdin <authelia/bob)"
YAML
}

# give OWNER FOLDER: makes the folder readable by that user only
give() {
  [ "$(id -u)" -ne 0 ] || chown -R "$1" "$2"
  find "$2" -type d -exec chmod 500 {} +
  find "$2" -type f -exec chmod 400 {} +
}

# give_stack: the folders of `stack`, to the users of the images
give_stack() {
  give 1000:0 elasticsearch
  give 1000:1000 kibana
  give 65534:65534 elastauth
}

# complete: records that this run has created everything
complete() {
  : >authority/complete
  echo 'setup: keys, certificates and passwords are ready'
}
