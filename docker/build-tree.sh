#!/bin/sh
# Builds the image's file tree: a virtual environment with the gateway and all that its extras need, in the
# versions of constraints.txt, without what no running gateway reads.
#
#     docker/build-tree.sh FOLDER
#
# FOLDER is made, and is the only place where the tree works. PYTHON names the interpreter (default: python3);
# it needs pip. Wanted besides: strip, of binutils. The Dockerfile runs this, and so does the test of the image.
set -eu
umask 022

tree=$1
python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# pip builds where the sources are, so it is given a copy: a checkout stays as it is.
cp -R "$here/../pyproject.toml" "$here/../README.md" "$here/../gateway" "$work"
extras=$("$python" "$here/extras.py" "$work/pyproject.toml")

"$python" -m venv --without-pip "$tree"
# What wheels are built with is pinned, too; pip from 25.3 on knows it by the second name.
PIP_CONSTRAINT="$here/constraints.txt" PIP_BUILD_CONSTRAINT="$here/constraints.txt" \
  "$python" -m pip --python "$tree/bin/python" --disable-pip-version-check \
  install --quiet --no-compile --root-user-action=ignore "$work${extras:+[$extras]}"

packages=$("$tree/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Tests of others, sources of what is compiled, maps for debuggers of browsers, and shells' activation.
rm -rf "$packages/spyne/test" "$tree/include"
find "$packages" -type f \
  \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.c' -o -name '*.h' -o -name '*.map' \) -delete
find "$packages" -type d -name __pycache__ -prune -exec rm -rf {} +
find "$tree/bin" -type f ! -name gateway -delete
find "$packages" -type f -name '*.so*' -exec strip --strip-debug {} +

# The tree is read-only where it runs: what is not compiled here would be compiled at every start. By hash, so
# that nothing depends on the time of a file.
"$tree/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$packages"
