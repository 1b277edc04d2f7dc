#!/bin/sh
# Stands in for the pipeline's program: writes down how it was called and what it could see, leaves what that stage
# leaves, and fails like mlci where the test asks for it.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
secrets=""
for name in STORE_KEY REGISTRY_TOKEN KUBE_TOKEN; do
  if [ -n "$(printenv $name || true)" ]; then secrets="$secrets $name"; fi
done
home="${CARGO_HOME-none}"
[ "$home" != "$PWD/target/cargo-home" ] || home=home
printf '%s|%s|%s|%s\n' "$*" "$secrets" "${CARGO_INCREMENTAL-}" "$home" >> "$here/calls"
need() { [ -e "$1" ] || { echo "error: $1 is not there" >&2; exit 2; }; }
report() { mkdir -p .mlci/report; echo "# Report: $*" > .mlci/report/report.md; echo "<p>$*" > .mlci/report/index.html; }
case "$*" in
  "xtask ci --stage ..gate --without-store") stage=gate; mkdir -p .mlci/journal/gate .mlci/models; echo m > .mlci/models/m.mlci ;;
  "xtask ci --stage gate..image") stage=image; need .mlci/journal/gate/r.json; need .mlci/models/m.mlci; mkdir -p .mlci/images target; echo i > .mlci/images/index.json; echo t > target/built ;;
  "xtask ci --stage deploy --until staging") stage=deploy; need .mlci/images/index.json; need .mlci/journal/image/r.json ;;
  "xtask deploy production") stage=production; need .mlci/journal/deploy/r.json ;;
  *) echo "error: unknown call: $*" >&2; exit 2 ;;
esac
report "$stage"
if [ -e "$here/fail-$stage" ]; then
  code="$(cat "$here/fail-$stage")"
  echo "mlci says why it ends with $code" >&2
  exit "$code"
fi
mkdir -p ".mlci/journal/$stage"
echo '{}' > ".mlci/journal/$stage/r.json"
