#!/bin/sh
# Makes the secrets that compose.yaml hands to its services, in the folder `secrets` beside this file. What is
# there already is kept.
#
#     database-password  of PostgreSQL
#     gateway.toml       settings of the gateway: the database's address, with that password
#     secret.key         encrypts the secrets of jobs and signs their tokens; all nodes need the same
#     first-admin.key    the first API key, of an admin of the organization `default`
set -eu
umask 077

secrets=$(cd "$(dirname "$0")" && pwd)/secrets
mkdir -p "$secrets"

random() {
  od -An -v -N "$1" -tx1 /dev/urandom | tr -d ' \n'
}

# keep NAME: takes standard input over, unless the file is there. Compose mounts files as they are, and the
# users in the containers are others than the one here. So the files are readable; the folder is closed.
keep() {
  [ -e "$secrets/$1" ] && return
  cat >"$secrets/$1.new"
  chmod 0444 "$secrets/$1.new"
  mv "$secrets/$1.new" "$secrets/$1"
  echo "made $secrets/$1"
}

random 32 | keep database-password
printf 'store = "postgresql://gateway:%s@postgres/gateway"\n' "$(cat "$secrets/database-password")" |
  keep gateway.toml
random 32 | keep secret.key
printf 'jg_%s_%s\n' "$(random 6)" "$(random 32)" | keep first-admin.key
