#!/usr/bin/env bash
# Lints and packages the Helm chart, and validates what it renders against the schemas of the oldest and the newest supported Kubernetes.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.37.0
validate=$PWD/.cache/kubernetes-validate-$version/bin/kubernetes-validate
if [ ! -x "$validate" ]; then
  python3 -m venv "${validate%/bin/kubernetes-validate}"
  "${validate%/kubernetes-validate}/pip" install --quiet --disable-pip-version-check "kubernetes-validate==$version"
fi
helm=$(scripts/go-tool.sh helm.sh/helm/v3/cmd/helm v3.22.0)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chart=deploy/helm/elastauth
"$helm" package "$chart" --destination "$scratch"
for values in values.yaml values-oidc-proxy.yaml ci/everything-values.yaml; do
  "$helm" lint --strict --quiet "$chart" --values "$chart/$values"
  for kubernetes in 1.30 1.37; do
    "$helm" template elastauth "$scratch"/elastauth-*.tgz --values "$chart/$values" --kube-version "$kubernetes.0" >"$scratch/$kubernetes.yaml"
    # there are no schemas for the kinds of Traefik, Prometheus and the Gateway API
    "$validate" --kubernetes-version "$kubernetes" --strict --quiet --no-warn "$scratch/$kubernetes.yaml"
  done
  echo "$chart/$values: $(grep -c '^kind:' "$scratch/1.37.yaml") objects, valid in Kubernetes 1.30 and 1.37"
done
