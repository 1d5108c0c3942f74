#!/bin/sh
# Installs those of the named Debian packages that are missing. Daemons that
# come with them are not started: the tests and the demo start their own.
set -eu

if ! command -v go >/dev/null 2>&1; then
	echo "Go is not installed. Porchlight needs Go 1.26 or newer: https://go.dev/dl/" >&2
	exit 1
fi

missing=""
for p in "$@"; do
	if ! dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed'; then
		missing="$missing $p"
	fi
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "These Debian packages are missing, and installing them needs root:$missing" >&2
	exit 1
fi

# Prosody and ejabberd would both take port 5222 when their packages are
# installed (deb-systemd-invoke asks this file).
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	made=yes
fi
echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
[ -n "$made" ] && rm -f "$policy"
exit 0
