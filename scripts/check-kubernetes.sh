#!/usr/bin/env bash
# Lints and packages the Helm chart, and validates what it renders against the schemas of the oldest and the newest supported Kubernetes,
# and of the custom resources of the Gateway API, the Prometheus operator and Traefik.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.37.0
validate=$PWD/.cache/kubernetes-validate-$version/bin/kubernetes-validate
if [ ! -x "$validate" ]; then
  python3 -m venv "${validate%/bin/kubernetes-validate}"
  "${validate%/kubernetes-validate}/pip" install --quiet --disable-pip-version-check "kubernetes-validate==$version"
fi
helm=$(scripts/go-tool.sh helm.sh/helm/v3/cmd/helm v3.22.0)

definitions=$PWD/.cache/custom-resource-definitions
# The definitions are part of the Go modules of these projects.
download() {
  local module=$1 version=$2 folder
  shift 2
  folder=$definitions/$(basename "${module%/v[0-9]*}")-$version
  if [ ! -d "$folder" ]; then
    source=$("$(scripts/go.sh)" mod download -json "$module@$version" | sed -nE 's/^\s*"Dir": "(.*)",$/\1/p')
    mkdir -p "$folder"
    cp --no-preserve=mode "${@/#/$source}" "$folder"
  fi
  schemas+=("$folder"/*)
}
schemas=()
download sigs.k8s.io/gateway-api v1.5.1 /config/crd/standard/gateway.networking.k8s.io_{gateways,httproutes}.yaml
download github.com/prometheus-operator/prometheus-operator v0.85.0 \
  /example/prometheus-operator-crd/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml
download github.com/traefik/traefik/v3 v3.7.13 /docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chart=deploy/helm/elastauth
"$helm" package "$chart" --destination "$scratch"
example=../../../examples/gateway-api
for values in values.yaml values-oidc-proxy.yaml ci/everything-values.yaml "values-oidc-proxy.yaml $example/values.yaml"; do
  files=()
  for file in $values; do files+=(--values "$chart/$file"); done
  "$helm" lint --strict --quiet "$chart" "${files[@]}"
  for kubernetes in 1.30 1.37; do
    "$helm" template elastauth "$scratch"/elastauth-*.tgz "${files[@]}" --kube-version "$kubernetes.0" >"$scratch/$kubernetes.yaml"
    "$validate" --kubernetes-version "$kubernetes" --strict --quiet --no-warn "$scratch/$kubernetes.yaml"
  done
  echo "$chart/$values: $(grep -c '^kind:' "$scratch/1.37.yaml") objects, valid in Kubernetes 1.30 and 1.37"
  node scripts/check-custom-resources.ts "$scratch/1.37.yaml" "${schemas[@]}"
done
node scripts/check-custom-resources.ts "$chart/$example/gateway.yaml" "${schemas[@]}"
