#!/usr/bin/env bash
# Rates the systemd unit of a package, then runs the steps of docs/operations.md#systemd in a container (systemd-nspawn) with its own
# systemd. The container sees this machine's files, and changes none of them.
#   scripts/check-systemd.sh PACKAGE.tgz
set -euo pipefail

run_in_container() {
  package=$1 node=$2 place=$3
  mount -t tmpfs tmpfs "$place"
  root=$place/root
  mkdir "$root" "$place/upper" "$place/work"
  mount -t overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" overlay "$root" || exit "$not_possible"

  # no service of this machine starts, and no mount is waited for
  rm -rf "$root"/etc/systemd/system/*.{wants,requires,service} "$root/etc/elastauth"
  : >"$root/etc/fstab"
  # as `npm install --global` does
  mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/node_modules/elastauth"
  cp "$node" "$root/usr/local/bin/node"
  tar -xzf "$package" -C "$root/usr/local/lib/node_modules/elastauth" --strip-components=1 --no-same-owner
  ln -sf ../lib/node_modules/elastauth/dist/main.cjs "$root/usr/local/bin/elastauth"

  mkdir "$root/steps"
  printf '%s\n' 'listen: 127.0.0.1:5000' 'default_roles: [viewer]' 'elasticsearch: { dry_run: true }' >"$root/steps/config.yml"
  awk '/^## / { section = $0 } /^```/ { block++; next } section == "## systemd" && block % 2 { print }' \
    docs/operations.md >"$root/steps/documented.sh"
  awk -F'|' '/^\| (listen on a port below 1024|write the audit log)/ { print $3 }' docs/operations.md | grep -o '`[^`]*`' | tr -d '`' \
    >"$root/steps/documented.conf"
  cat >"$root/steps/run.sh" <<'STEPS'
set -euxo pipefail
cd /steps
trap '[ -e passed ] || journalctl --unit elastauth --output cat; systemctl poweroff --force --force' EXIT
npm() { echo /usr/local/lib/node_modules; } # for `npm root --global`
export PASSWORD=changeme
. ./documented.sh
if systemd-analyze verify /etc/systemd/system/elastauth.service 2>&1 | grep elastauth; then exit 1; fi
address=127.0.0.1:5000
request() { curl -fsS -H 'Remote-User: testuser' "http://$address/"; }
first_request() {
  for _ in {1..100}; do request >/dev/null 2>&1 && break; sleep 0.1; done
  request
}
first_request
systemctl reload elastauth
request
grep -E '^(CapEff:\s+0+|NoNewPrivs:\s+1|Seccomp:\s+2)$' "/proc/$(systemctl show -P MainPID elastauth)/status" | tee facts
test "$(wc -l <facts)" -eq 3
systemctl stop elastauth
test "$(systemctl show -P Result elastauth) $(systemctl show -P NRestarts elastauth)" = 'success 0'

# the documented changes for a low port and the audit log
mkdir /etc/systemd/system/elastauth.service.d
(echo '[Service]'; cat documented.conf) >/etc/systemd/system/elastauth.service.d/override.conf
address=127.0.0.1:80
printf '%s\n' "listen: $address" 'audit: { path: /var/log/elastauth/audit.json }' "$(grep -v listen config.yml)" >/etc/elastauth/config.yml
systemctl daemon-reload
systemctl start elastauth
first_request
systemctl stop elastauth
grep audit_started /var/log/elastauth/audit.json
touch passed
STEPS
  cat >"$root/etc/systemd/system/steps.service" <<'UNIT'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash /steps/run.sh
StandardOutput=file:/steps/log
StandardError=file:/steps/log
UNIT
  timeout --kill-after=5 90 systemd-nspawn --directory "$root" --boot --register=no --keep-unit --link-journal=no --private-network \
    --console=pipe systemd.unit=steps.service >"$place/nspawn.log" 2>&1 </dev/null || true
  [ ! -e "$root/steps/passed" ] || return 0
  cat "$place/nspawn.log" >&2
  cat "$root/steps/log" >&2 || exit "$not_possible" # the systemd of the container did not start
  exit 1
}

cd "$(dirname "$0")/.."
not_possible=75
if [ "${1:?usage: check-systemd.sh PACKAGE.tgz}" = --in-namespace ]; then
  run_in_container "${@:2}"
  exit
fi

package=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tar -xzf "$package" -C "$scratch" package/deploy/systemd/elastauth.service
if ! systemd-analyze security --offline=true --no-pager --threshold=20 "$scratch/package/deploy/systemd/elastauth.service" >"$scratch/rating"; then
  grep '✗' "$scratch/rating" >&2
  echo 'check-systemd.sh: systemd-analyze security rates the unit worse than 2.0' >&2
  exit 1
fi
tail -n 1 "$scratch/rating"

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
code=0
if ! command -v systemd-nspawn >/dev/null || ! "${as_root[@]}" unshare --mount true; then code=$not_possible; fi
if [ "$code" -eq 0 ]; then
  "${as_root[@]}" unshare --mount "$PWD/scripts/check-systemd.sh" --in-namespace "$package" "$(node -p process.execPath)" "$scratch" || code=$?
fi
case $code in
  0) echo 'The unit runs as docs/operations.md#systemd describes: elastauth responds, reloads and stops, also with a port below 1024.' ;;
  "$not_possible") echo 'The unit was rated, but not run: that needs systemd-nspawn, and root with the right to mount.' ;;
  *) exit "$code" ;;
esac
