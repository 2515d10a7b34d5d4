/** The text of `elastauth --help`. */
export const help = `Usage: elastauth [serve] [--config FILE|DIR] [--key value ...]

Commands
  serve                  start the server (default)
  config check           check the configuration and list all faults; with
                         --connect, also try Elasticsearch and its roles,
                         Redis, the OpenID provider and upstreams; exits with
                         0 if nothing is wrong, otherwise 1
  doctor                 find out what is wrong with the configuration, the running
                         elastauth and the servers, and say what to do; exits with 0,
                         1 if there are only warnings, or 2 if a check has failed
  explain                show step by step how a request is decided: --header 'Name: value' ...,
                         --token FILE or --user NAME; --from ADDRESS, --method, --path,
                         --host; --connect reads Elasticsearch; exits with 0 if the
                         request is allowed, or 1 if it is denied
  plan NEW.yml           list the managed users who would gain or lose roles with a new
                         configuration; exits with 2 if more than --max-gains N users
                         gain roles
  import FILE            convert the config.yml or .env of the Go elastauth:
                         elastauth import old.yml > config.yml
  users list             list the managed users in Elasticsearch
  users show NAME        show one of them, with API keys and sessions
  users revoke NAME      end the sessions, tokens and password of a user; --disable also
                         disables the user, --api-keys invalidates the API keys; then
                         verify that no credential of the user works; exits with 0 if
                         none does, otherwise 1
  users enable NAME      enable a disabled user
  users prune            apply user_retention now: disable and delete inactive users
  audit verify FILE ...  verify the records of an audit log, the oldest file first; exits
                         with 0 if they are intact, 1 if not, or 2 if it cannot verify
  health                 check a running elastauth; exits with 0 if it responds, otherwise 1
  hash-password          ask for a password, or read a line from a pipe, and print
                         its hash for users.path
  --generateKey          print a new secret key
  --version, -v          print the version
  --help, -h             print this help

Options
  --config, -c FILE|DIR  YAML file, or directory of *.yml files (default: config.yml, if it exists)
  --json                 JSON output of doctor, explain, plan and users
  --dry-run              users revoke, enable and prune: show what would change, and change nothing
  --key value            any key except secrets and maps, for example
                           --listen 0.0.0.0:5000
                           --log_level debug
                           --elasticsearch.hosts https://es-1:9200,https://es-2:9200
                           --elasticsearch.dry_run true

Keys that every installation sets
  secret_key                           ELASTAUTH_SECRET_KEY, or ELASTAUTH_SECRET_KEY_FILE with the path of a file
  elasticsearch.username, .password    ELASTAUTH_ELASTICSEARCH_USERNAME, ELASTAUTH_ELASTICSEARCH_PASSWORD
  default_roles, group_mappings        Elasticsearch roles of users

Flags override the environment, and the environment overrides the file.
All keys, with their defaults: config/elastauth.example.yml, in this package and in /app of the image.
`
