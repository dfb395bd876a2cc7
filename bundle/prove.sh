#!/bin/sh
# Checks and times everything on this machine's graphics processor. All options: sh prove.sh --help
here=${0%/*}
[ "$here" = "$0" ] && here=.
if ! why=$("$here/crossdub" --version 2>&1); then
  newline='
'
  echo "error: crossdub does not start here; it takes Linux on x86-64 with a glibc no older than that of the machine that built it: ${why%%"$newline"*}" >&2
  exit 1
fi
exec "$here/crossdub" prove "$@"
