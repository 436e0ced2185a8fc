#!/bin/sh
# Installs what the crash lab needs beside Node: a C compiler for its shim (apt packages gcc and libc6-dev). Nothing else
# of Holdfast needs it, and nothing is downloaded where it is there already.
set -eu
if command -v cc >/dev/null 2>&1; then
  echo 'cc is installed; there is nothing to do'
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo 'install-lab-tools: no apt-get here: install a C compiler and the C library headers by hand' >&2
  exit 1
fi
echo 'installing gcc and libc6-dev with apt-get'
apt-get update
apt-get install --yes --no-install-recommends gcc libc6-dev
