{{- define "elastauth.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "elastauth.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "elastauth.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "elastauth.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* The name of a Service has at most 63 characters. */ -}}
{{- define "elastauth.metricsName" -}}
{{- printf "%s-metrics" (include "elastauth.fullname" . | trunc 55 | trimSuffix "-") }}
{{- end }}

{{- define "elastauth.selectorLabels" -}}
app.kubernetes.io/name: {{ include "elastauth.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "elastauth.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "elastauth.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Called with the context and a suffix of the name. */ -}}
{{- define "elastauth.metadata" -}}
{{- $context := index . 0 -}}
name: {{ printf "%s%s" (include "elastauth.fullname" $context) (index . 1) | quote }}
namespace: {{ $context.Release.Namespace | quote }}
labels:
  {{- include "elastauth.labels" $context | nindent 2 }}
{{- end }}

{{- define "elastauth.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "elastauth.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "elastauth.secretName" -}}
{{- .Values.secret.name | default (include "elastauth.fullname" .) }}
{{- end }}

{{- define "elastauth.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "elastauth.isProxyMode" -}}
{{- if (.Values.config.proxy | default dict).enabled }}true{{ end }}
{{- end }}

{{- define "elastauth.providers" -}}
{{- .Values.config.auth_providers | default (list (.Values.config.auth_provider | default "authelia")) | toJson }}
{{- end }}

{{- /* Whether people sign in through elastauth: at an OpenID provider, or with a form. */ -}}
{{- define "elastauth.hasLogin" -}}
{{- $providers := include "elastauth.providers" . | fromJsonArray }}
{{- range $provider := list "oidc" "users" }}
{{- if and (has $provider $providers) (ne (toString (index $.Values.config $provider | default dict).login) "false") }}true{{ end }}
{{- end }}
{{- end }}

{{- /* The headers with username, groups, email and name. A test compares them with config/header-presets.ts. */ -}}
{{- define "elastauth.headerPresets" -}}
authelia: [Remote-User, Remote-Groups, Remote-Email, Remote-Name]
authentik: [X-authentik-username, X-authentik-groups, X-authentik-email, X-authentik-name]
oauth2-proxy: [X-Auth-Request-User, X-Auth-Request-Groups, X-Auth-Request-Email, X-Auth-Request-Preferred-Username]
tailscale: [Tailscale-User-Login, Tailscale-User-Groups, Tailscale-User-Email, Tailscale-User-Name]
headers: [X-Forwarded-User, X-Forwarded-Groups, X-Forwarded-Email, X-Forwarded-Preferred-Username]
{{- end }}

{{- /* The headers with the identity, if elastauth reads them and people do not sign in through it; otherwise an empty list. */ -}}
{{- define "elastauth.identityHeaders" -}}
{{- $presets := include "elastauth.headerPresets" . | fromYaml }}
{{- $headers := list }}
{{- if not (include "elastauth.hasLogin" .) }}
{{- range $provider := include "elastauth.providers" . | fromJsonArray }}
{{- range $index, $field := list "username" "groups" "email" "name" }}
{{- $own := index ($.Values.config.headers | default dict) $field }}
{{- $older := index ($.Values.config.authelia | default dict) (printf "header_%s" $field) }}
{{- if hasKey $presets $provider }}
{{- $headers = append $headers (coalesce $own $older (index $presets $provider $index)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $headers | toJson }}
{{- end }}

{{- /* Whether elastauth reads identity headers. With a second provider, people may sign in through it too. */ -}}
{{- define "elastauth.readsHeaders" -}}
{{- $presets := include "elastauth.headerPresets" . | fromYaml }}
{{- range include "elastauth.providers" . | fromJsonArray }}
{{- if hasKey $presets . }}true{{ end }}
{{- end }}
{{- end }}

{{- /* Whether elastauth can tell a proxy from any other client. */ -}}
{{- define "elastauth.authenticatesProxy" -}}
{{- /* A client that another entry of trusted_proxies matches needs no certificate (docs/listeners.md). */ -}}
{{- $trusted := .Values.config.trusted_proxies | default (list "private") }}
{{- if or .Values.secret.keys.proxy_secret (not (without $trusted "client_cert" "loopback" "unix" "none")) }}true{{ end }}
{{- end }}

{{- /* Whether a client that reaches elastauth can act as any user. */ -}}
{{- define "elastauth.trustsClients" -}}
{{- if and (include "elastauth.readsHeaders" .) (not (include "elastauth.authenticatesProxy" .)) }}true{{ end }}
{{- end }}

{{- /* Whether sub-requests have a separate port, because browsers reach the other one (docs/oidc.md). */ -}}
{{- define "elastauth.hasForwardAuthPort" -}}
{{- if and (include "elastauth.hasLogin" .) (not (include "elastauth.isProxyMode" .)) }}true{{ end }}
{{- end }}

{{- define "elastauth.probeScheme" -}}
{{- ternary "HTTPS" "HTTP" (not (empty (.Values.config.tls | default dict).cert)) }}
{{- end }}

{{- /* The variable of a configuration key: `oidc.client_secret` → ELASTAUTH_OIDC_CLIENT_SECRET */ -}}
{{- define "elastauth.variable" -}}
ELASTAUTH_{{ . | upper | replace "." "_" }}
{{- end }}

{{- /* The pages of elastauth that browsers and the provider need in auth-only mode with sign-in (docs/oidc.md). */ -}}
{{- define "elastauth.pages" -}}
/elastauth/login /elastauth/callback /elastauth/logout /elastauth/signed-out /elastauth/account /elastauth/backchannel-logout
{{- end }}
