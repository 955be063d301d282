{{- define "weir.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "weir.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "weir.name" .) .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "weir.name" .) | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "weir.selector" -}}
app.kubernetes.io/name: {{ include "weir.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "weir.labels" -}}
{{ include "weir.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "weir.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "weir.scheme" -}}
{{ if (.Values.webConfig).tls_server_config }}HTTPS{{ else }}HTTP{{ end }}
{{- end -}}

{{/* How a probe asks. The kubelet has no certificate to show: where one is required it only connects. */}}
{{- define "weir.probe" -}}
{{- $auth := dig "tls_server_config" "client_auth_type" "" .root.Values.webConfig }}
{{- if has $auth (list "RequireAnyClientCert" "RequireClientCert" "RequireAndVerifyClientCert") -}}
tcpSocket:
  port: {{ include "weir.port" .root }}
{{- else -}}
httpGet:
  path: {{ .path }}
  port: {{ include "weir.port" .root }}
  scheme: {{ include "weir.scheme" .root }}
{{- end }}
{{- end -}}

{{/* The container, here and in other pods. */}}
{{- define "weir.container" -}}
name: weir
image: {{ include "weir.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - --config=/etc/weir/weir.yaml
  {{- if .Values.webConfig }}
  - --web.config.file=/etc/weir-web/web.yml
  - --open-probes
  {{- end }}
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: {{ include "weir.port" . }}
    containerPort: 8080
livenessProbe:
  {{- include "weir.probe" (dict "root" . "path" "/-/healthy") | nindent 2 }}
readinessProbe:
  {{- include "weir.probe" (dict "root" . "path" "/-/ready") | nindent 2 }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- $user := dict }}
  {{- if eq .Values.mode "sidecar" }}
  {{- $user = dict "runAsNonRoot" true "runAsUser" 65532 }}
  {{- end }}
  {{- toYaml (mergeOverwrite $user .Values.securityContext) | nindent 2 }}
volumeMounts:
  - name: weir
    mountPath: /etc/weir
    readOnly: true
  {{- if .Values.webConfig }}
  - name: weir-web
    mountPath: /etc/weir-web
    readOnly: true
  {{- end }}
  {{- if .Values.certificateSecret }}
  - name: weir-tls
    mountPath: /etc/weir-tls
    readOnly: true
  {{- end }}
{{- end -}}

{{/* Its volumes. */}}
{{- define "weir.volumes" -}}
- name: weir
  configMap:
    name: {{ include "weir.fullname" . }}
{{- if .Values.webConfig }}
- name: weir-web
  secret:
    secretName: {{ include "weir.fullname" . }}-web
{{- end }}
{{- with .Values.certificateSecret }}
- name: weir-tls
  secret:
    secretName: {{ . }}
{{- end }}
{{- end -}}

{{/* What goes into the pods of an exporter. */}}
{{- define "weir.sidecar" -}}
spec:
  {{- if .Values.sidecar.native }}
  initContainers:
    - restartPolicy: Always
      {{- include "weir.container" . | nindent 6 }}
  {{- else }}
  containers:
    -
      {{- include "weir.container" . | nindent 6 }}
  {{- end }}
  volumes:
    {{- include "weir.volumes" . | nindent 4 }}
{{- end -}}

{{/* Its port. In other pods "metrics" may be the exporter's. */}}
{{- define "weir.port" -}}
{{ if eq .Values.mode "sidecar" }}weir-metrics{{ else }}metrics{{ end }}
{{- end -}}

{{/* The endpoints of a monitor; takes the root and the monitor's values. */}}
{{- define "weir.endpoints" -}}
{{- $root := .root }}
{{- $monitor := .monitor }}
{{- $paths := list "/metrics" }}
{{- range $monitor.subsets }}
{{- $paths = append $paths (printf "/metrics/%s" (urlquery . | replace "+" "%20")) }}
{{- end }}
{{- if $monitor.ownMetrics }}
{{- $paths = append $paths "/-/metrics" }}
{{- end }}
{{- range $paths }}
- port: {{ include "weir.port" $root }}
  path: {{ . }}
  interval: {{ $monitor.interval }}
  scrapeTimeout: {{ $monitor.scrapeTimeout }}
  honorLabels: {{ $monitor.honorLabels }}
  {{- if and (ne . "/metrics") (ne . "/-/metrics") }}
  # Samples of a subset carry the time of their scrape.
  trackTimestampsStaleness: true
  {{- end }}
  {{- if eq (include "weir.scheme" $root) "HTTPS" }}
  scheme: https
  {{- end }}
  {{- with $monitor.endpoint }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}
