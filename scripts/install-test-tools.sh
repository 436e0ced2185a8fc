#!/bin/sh
# Installs the programs the tests use that a bare Debian or Ubuntu lacks: curl and jq for test/acceptance, openssl for its
# certificate, git for every repository. They come from the system's own package lists, with apt-get, as root. Nothing
# else is changed; what is there already stays as it is.
set -eu
missing=
for tool in curl jq openssl git; do
  command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
if [ -z "$missing" ]; then
  echo 'install-test-tools: nothing is missing'
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
  echo "install-test-tools: install these yourself, or run this as root on Debian or Ubuntu:$missing" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Each package is named like its program.
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends ca-certificates $missing
