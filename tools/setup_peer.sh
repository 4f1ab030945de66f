#!/usr/bin/env bash
# Make the environment that `make peer` compares with: the real CASA (casatasks, casatools, casadata), pinned, in a
# directory of its own. Nothing in it is a dependency of atacal.
#
#   tools/setup_peer.sh DIR     make it in DIR (about 3 GB; does nothing if it is complete)
#   DIR/casapy script.py        run a script with it
#
# Needs python3.11: the newest casatools that runs on glibc 2.36 (Debian 12) has wheels for no newer Python.
set -euo pipefail

versions="casatools==6.7.0.31 casatasks==6.7.0.31 casadata==2025.9.22 six"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ -x "$dir/casapy" ] && exit 0

python=${PEER_PYTHON:-python3.11}
command -v "$python" >/dev/null || python=python3
echo "making the CASA environment in $dir (once; about 3 GB)"
rm -rf "$dir/venv"
"$python" -m venv "$dir/venv"
# shellcheck disable=SC2086
"$dir/venv/bin/pip" install --quiet --quiet --disable-pip-version-check $versions
data=$("$dir/venv/bin/python" -c 'import casadata; print(casadata.datapath)' | tail -n 1)

# CASA reads its settings from $HOME/.casa and would update its data tables from the network: a home of its own says no.
mkdir -p "$dir/home/.casa"
cat >"$dir/home/.casa/config.py" <<CONFIG
measurespath = '$data'
datapath = ['$data']
measures_auto_update = False
data_auto_update = False
nologger = True
log2term = False
telemetry_enabled = False
crashreporter_enabled = False
CONFIG

# casapy comes last and by rename: where it stands, the environment is complete.
cat >"$dir/casapy.new" <<WRAPPER
#!/usr/bin/env bash
export HOME='$dir/home' CASADATA='$data'
exec '$dir/venv/bin/python' "\$@"
WRAPPER
chmod +x "$dir/casapy.new"
(cd "$(mktemp -d)" && "$dir/casapy.new" -c 'import casatasks; print("CASA", casatasks.version_string())')
mv "$dir/casapy.new" "$dir/casapy"
