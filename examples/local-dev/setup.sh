#!/bin/sh
# Generates the passwords and the key of this example.
#   setup.sh FOLDER
. "${FUNCTIONS:-/setup/functions.sh}"
once "$1" authority elasticsearch kibana elastauth

secret elasticsearch/elastic-password
secret elastauth/secret-key
secret elastauth/elasticsearch-password
secret kibana/password
secret kibana/key
cat >kibana/kibana.yml <<YAML
server: { host: 0.0.0.0, publicBaseUrl: "http://kibana.localhost:5000" }
elasticsearch:
  hosts: ["http://elasticsearch:9200"]
  username: kibana_system
  password: $(cat kibana/password)
xpack.security.encryptionKey: $(cat kibana/key)
xpack.encryptedSavedObjects.encryptionKey: $(cat kibana/key)
xpack.reporting.encryptionKey: $(cat kibana/key)
telemetry.optIn: false
YAML

give_stack
complete
