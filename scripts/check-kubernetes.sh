#!/usr/bin/env bash
# Renders deploy/kubernetes with kustomize, and validates it against the schemas of the oldest and the newest supported Kubernetes.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.37.0
validate=$PWD/.cache/kubernetes-validate-$version/bin/kubernetes-validate
if [ ! -x "$validate" ]; then
  python3 -m venv "${validate%/bin/kubernetes-validate}"
  "${validate%/kubernetes-validate}/pip" install --quiet --disable-pip-version-check "kubernetes-validate==$version"
fi
kustomize=$(scripts/go-tool.sh sigs.k8s.io/kustomize/kustomize/v5 v5.7.1)

rendered=$(mktemp)
trap 'rm -f "$rendered"' EXIT
for folder in base traefik; do
  "$kustomize" build "deploy/kubernetes/$folder" >"$rendered"
  for kubernetes in 1.30 1.37; do
    # there are no schemas for Traefik's own kinds
    "$validate" --kubernetes-version "$kubernetes" --strict --quiet --no-warn "$rendered"
  done
  echo "deploy/kubernetes/$folder: $(grep -c '^kind:' "$rendered") objects, good in Kubernetes 1.30 and 1.37"
done
