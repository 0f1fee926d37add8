{{- define "packwright.name" -}}
{{- if contains "packwright" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-packwright" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "packwright.selector" -}}
app.kubernetes.io/name: packwright
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "packwright.labels" -}}
{{ include "packwright.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "packwright.secret" -}}
{{- .Values.database.existingSecret | default (printf "%s-database" (include "packwright.name" .)) -}}
{{- end -}}
