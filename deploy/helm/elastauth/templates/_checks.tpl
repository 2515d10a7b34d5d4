{{- /* The sensitive keys in config/schema.ts, which a test compares, and their old names. */ -}}
{{- define "elastauth.secretKeys" -}}
secret_key previous_secret_keys audit.elasticsearch.api_key proxy_secret users.inline elasticsearch.password elasticsearch.api_key cache.redis_url cache.redis_password cache.redis_sentinel_password oidc.client_secret oidc.custom_headers elasticsearch_password
{{- end }}

{{- /* Rejects values that contradict each other, or that are not secure. The rest is up to values.schema.json and elastauth itself. */ -}}
{{- define "elastauth.check" -}}
{{- if contains "." (include "elastauth.fullname" .) }}
{{- fail (printf "%s cannot be the name of a Service: set fullnameOverride to one without dots" (include "elastauth.fullname" .)) }}
{{- end }}
{{- include "elastauth.checkConfig" (dict "node" .Values.config "path" "") }}
{{- include "elastauth.checkSecrets" . }}
{{- include "elastauth.checkRoutes" . }}
{{- include "elastauth.checkNetworkPolicy" . }}
{{- end }}

{{- /* Rejects secrets, which a ConfigMap must not contain, and the addresses that the Service and the probes depend on. */ -}}
{{- define "elastauth.checkConfig" -}}
{{- $secretKeys := include "elastauth.secretKeys" . | splitList " " }}
{{- $path := .path }}
{{- range $name, $value := .node }}
{{- $key := trimPrefix "." (printf "%s.%s" $path $name) }}
{{- if has $key $secretKeys }}
{{- fail (printf "config.%s is a secret, and a ConfigMap is not secret: put it into the Secret, and map it to its key there in secret.keys" $key) }}
{{- else if has $key (list "listen" "forward_auth.listen") }}
{{- fail (printf "config.%s is set by the chart: remove it" $key) }}
{{- else if or (eq $key "enable_metrics") (hasPrefix "metrics." $key) }}
{{- fail (printf "config.%s is set by the chart: remove it, and set metrics.enabled" $key) }}
{{- else if and (eq $path "") (contains "." $name) }}
{{- /* elastauth accepts it, but the chart looks for proxy, oidc and others as maps. */ -}}
{{- fail (printf "config: write %s as nested keys, without dots" $name) }}
{{- else if and (eq $path "") (hasPrefix "headers_" $name) }}
{{- fail (printf "config: %s is an old name, which the chart does not read: write headers: { %s: … }" $name (trimPrefix "headers_" $name)) }}
{{- else if kindIs "map" $value }}
{{- include "elastauth.checkConfig" (dict "node" $value "path" $key) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "elastauth.checkSecrets" -}}
{{- range $index, $route := (.Values.config.proxy | default dict).routes }}
{{- range $name, $_ := $route.headers }}
{{- if eq (lower $name) "authorization" }}
{{- fail (printf "config.proxy.routes[%d].headers has a secret, and a ConfigMap is not secret: set ELASTAUTH_PROXY_ROUTES in extraEnv, from a Secret" $index) }}
{{- end }}
{{- end }}
{{- end }}
{{- if regexMatch "://[^/@\\s]*:[^/@\\s]+@" (toYaml .Values.config) }}
{{- fail "config has a URL with a password, and a ConfigMap is not secret: remove it, put the password into the Secret, and map its key in secret.keys" }}
{{- end }}
{{- $secretKeys := include "elastauth.secretKeys" . | splitList " " }}
{{- range $key, $_ := .Values.secret.keys }}
{{- if not (has $key $secretKeys) }}
{{- fail (printf "secret.keys: %s is not a secret of elastauth: set it in config, or correct the name to one of %s" $key (join ", " $secretKeys)) }}
{{- end }}
{{- end }}
{{- $variables := list }}
{{- range $secretKeys }}
{{- $variables = append $variables (include "elastauth.variable" .) }}
{{- end }}
{{- $fileVariables := dict }}
{{- range $key, $file := .Values.secret.keys }}
{{- if $file }}
{{- $_ := set $fileVariables (printf "%s_FILE" (include "elastauth.variable" $key)) $key }}
{{- end }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if has .name $variables }}
{{- fail (printf "extraEnv: %s is a secret, which does not belong in the environment: use secret.keys" .name) }}
{{- else if has .name (list "ELASTAUTH_LISTEN" "ELASTAUTH_FORWARD_AUTH_LISTEN" "ELASTAUTH_METRICS_LISTEN" "ELASTAUTH_ENABLE_METRICS") }}
{{- fail (printf "extraEnv: %s is set by the chart: remove it" .name) }}
{{- else if hasKey $fileVariables .name }}
{{- fail (printf "extraEnv: %s is set by secret.keys.%s: remove one of them" .name (get $fileVariables .name)) }}
{{- else if and (hasPrefix "ELASTAUTH_" .name) (not (hasSuffix "_FILE" .name)) (not .valueFrom) }}
{{- fail (printf "extraEnv: %s is a configuration key: set it in config, which the chart reads" .name) }}
{{- end }}
{{- end }}
{{- if eq (toString (.Values.config.tls | default dict).client_auth) "require" }}
{{- fail "config.tls.client_auth is require, but the probes of Kubernetes have no certificate: use request, and trusted_proxies: [client_cert]" }}
{{- end }}
{{- end }}

{{- define "elastauth.checkRoutes" -}}
{{- $trustsClients := include "elastauth.trustsClients" . }}
{{- range $name, $hosts := dict "ingress" "hosts" "httpRoute" "hostnames" }}
{{- $route := index $.Values $name }}
{{- if $route.enabled }}
{{- if not (index $route $hosts) }}
{{- fail (printf "%s.%s is required: the host names under which people open Kibana" $name $hosts) }}
{{- end }}
{{- if not (or (include "elastauth.isProxyMode" $) $.Values.traefik.enabled) }}
{{- fail (printf "%s.enabled needs traefik.enabled in auth-only mode: without the middlewares it would publish Kibana without sign-on. docs/deployment has the configurations of other proxies" $name) }}
{{- end }}
{{- if and $trustsClients (not $.Values.traefik.enabled) }}
{{- fail (printf "%s.enabled would let every client act as any user: set traefik.enabled, or secret.keys.proxy_secret, which your proxy then has to send" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- $isOpen := or $trustsClients (not (or (include "elastauth.isProxyMode" .) (include "elastauth.authenticatesProxy" .))) }}
{{- if and (ne .Values.service.type "ClusterIP") $isOpen }}
{{- fail (printf "service.type %s would let clients outside the cluster act as any user: use ClusterIP, or set secret.keys.proxy_secret, or trusted_proxies: [client_cert]" .Values.service.type) }}
{{- end }}
{{- if and (eq (int .Values.service.port) 5001) (include "elastauth.hasForwardAuthPort" .) }}
{{- fail "service.port is 5001, which is the port of sub-requests: use another one" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.parentRefs is required: the Gateways that serve the host names" }}
{{- end }}
{{- range tuple "serviceMonitor" "prometheusRule" }}
{{- if and (index $.Values.metrics .).enabled (not $.Values.metrics.enabled) }}
{{- fail (printf "metrics.%s.enabled needs metrics.enabled" .) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* In Kubernetes, a peer with empty selectors is every pod, and so is a network of all addresses. */ -}}
{{- define "elastauth.checkNetworkPolicy" -}}
{{- $trustsClients := include "elastauth.trustsClients" . }}
{{- $acceptsClients := and (include "elastauth.isProxyMode" .) (not $trustsClients) }}
{{- range $name, $peers := .Values.networkPolicy.ingress }}
{{- range $index, $peer := $peers }}
{{- $selectsAll := not (or $peer.ipBlock $peer.podSelector $peer.namespaceSelector) }}
{{- $isAnyAddress := hasSuffix "/0" (toString ($peer.ipBlock | default dict).cidr) }}
{{- if or $selectsAll (and $isAnyAddress (not $acceptsClients)) }}
{{- fail (printf "networkPolicy.ingress.%s[%d] allows every pod: name the pods, or their namespace" $name $index) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
