#!/bin/sh
# Renews constraints.txt: the newest versions that pyproject.toml allows, of everything that the image has.
# `make image-constraints` runs it. PYTHON names an interpreter with pip (default: python3).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" "$here/extras.py" "$here/../pyproject.toml" --required >"$work/required.txt"
# What builds the wheels of the gateway and of packages that come as sources.
echo 'setuptools>=77' >>"$work/required.txt"
"$python" -m pip --disable-pip-version-check install --quiet --dry-run --ignore-installed \
  --report "$work/report.json" --requirement "$work/required.txt"
{
  echo '# What the image has, with its versions. Renewed by `make image-constraints`.'
  "$python" -c '
import json, re, sys
found = [one["metadata"] for one in json.load(open(sys.argv[1], encoding="utf-8"))["install"]]
print("\n".join(sorted(re.sub("[-_.]+", "-", one["name"]).lower() + "==" + one["version"] for one in found)))
' "$work/report.json"
} >"$work/constraints.txt"
cp "$work/constraints.txt" "$here/constraints.txt"
