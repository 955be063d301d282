#!/bin/sh
# Push with curl: what is given on standard input, or one metric.
#
#   WEIR=http://weir:9091 WEIR_TOKEN=... ./push.sh
set -eu
weir=${WEIR:-http://localhost:9091}
token=${WEIR_TOKEN:-}

# --fail-with-body: the reasons of a refusal are shown, and the exit code tells.
push() {
    curl --silent --show-error --fail-with-body --header "Authorization: Bearer $token" "$@"
}

# PUT replaces the group, POST only families of the same name. Values with a slash go in base64.
printf '# HELP backup_bytes Size of the last backup.\n# TYPE backup_bytes gauge\nbackup_bytes 12345\n' |
    push --request PUT --data-binary @- "$weir/metrics/job/backup/instance/db1"

# DELETE forgets the group.
push --request DELETE "$weir/metrics/job/backup/instance/db1"
