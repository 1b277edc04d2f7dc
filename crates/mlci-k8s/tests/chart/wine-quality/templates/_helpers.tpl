{{- /* Made by mlci; edits are lost. To make it anew: cargo xtask generate helm */ -}}
{{/*
The name of every object: the release's, which is unique in its namespace. As a part of another chart, release and chart
together. One that is too long keeps its beginning and gets 8 digits of its digest.
*/}}
{{- define "wine-quality.name" -}}
{{- $name := .Release.Name -}}
{{- if not .Chart.IsRoot -}}
{{- $name = printf "%s-%s" .Release.Name .Chart.Name -}}
{{- end -}}
{{- if gt (len $name) 63 -}}
{{- $name = printf "%s-%s" ($name | trunc 54 | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "the release `%s` cannot give its name to a Service: choose one of lower-case letters, digits and `-`, with a letter first" .Release.Name) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{/* What the Service and the Deployment find their pods by. */}}
{{- define "wine-quality.selector" -}}
app.kubernetes.io/instance: {{ include "wine-quality.name" . | quote }}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
{{- end }}

{{/* The labels of the pods: a change of the chart's version alone does not restart them. */}}
{{- define "wine-quality.podLabels" -}}
{{ include "wine-quality.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- include "wine-quality.ownLabels" . }}
{{- end }}

{{/* The labels of every object. */}}
{{- define "wine-quality.labels" -}}
{{ include "wine-quality.podLabels" . }}
helm.sh/chart: {{ include "wine-quality.version" . | quote }}
{{- end }}

{{/* The labels of the test's pod, which no Service may find. */}}
{{- define "wine-quality.testLabels" -}}
app.kubernetes.io/component: verify
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- include "wine-quality.ownLabels" . }}
helm.sh/chart: {{ include "wine-quality.version" . | quote }}
{{- end }}

{{- define "wine-quality.ownLabels" -}}
{{- with .Values.environment }}
mlci.environment: {{ . | quote }}
{{- end }}
{{- range $key, $value := .Values.labels }}
{{- if and $.Values.environment (eq $key "mlci.environment") }}
{{- fail "labels: `mlci.environment` is set by the value `environment`; remove one of the two" }}
{{- end }}
{{- if or (hasPrefix "app.kubernetes.io/" $key) (hasPrefix "helm.sh/" $key) }}
{{- fail (printf "labels: `%s` is set by the chart itself; remove it" $key) }}
{{- end }}
{{ $key | quote }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The server's variables, sorted by name. */}}
{{- define "wine-quality.env" -}}
{{- $env := deepCopy (default dict .Values.env) -}}
{{- with .Values.environment -}}
{{- if hasKey $env "MLCI_ENVIRONMENT" -}}
{{- fail "env: `MLCI_ENVIRONMENT` is set by the value `environment`; remove one of the two" -}}
{{- end -}}
{{- $env = set $env "MLCI_ENVIRONMENT" . -}}
{{- end -}}
{{- $lines := list -}}
{{- range $name, $value := $env -}}
{{- $lines = append $lines (printf "- name: %s\n  value: %s" (quote $name) (quote $value)) -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end }}

{{- define "wine-quality.version" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Exactly these bytes: a tag may mean another image tomorrow, and is not taken. */}}
{{- define "wine-quality.image" -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- end }}

{{/* Whether a pod can be spared: with one, a budget would forbid every drain of its node. */}}
{{- define "wine-quality.spare" -}}
{{- if or (not (hasKey .Values "replicas")) (gt (int64 .Values.replicas) 1) }}true{{ end -}}
{{- end }}

{{/*
The Service's address as the kubelet tells it to every pod of the namespace that starts later. It needs no DNS, which not
every cluster has.
*/}}
{{- define "wine-quality.address" -}}
{{- $service := include "wine-quality.name" . | upper | replace "-" "_" -}}
{{- printf "http://$(%s_SERVICE_HOST):$(%s_SERVICE_PORT)" $service $service -}}
{{- end }}
