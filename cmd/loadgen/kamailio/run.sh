#!/bin/bash
# Runs Kamailio as a presence server in the foreground.
#   run.sh MODE PORT WORKDIR [CHILDREN]
# MODE   mem        subscriptions and publications in shared memory only, no database
#        mem-winfo  the same with watcher information on
#        wb-sqlite  subscriptions in memory, flushed to SQLite every 5 s; publications in memory only
#        pg         subscriptions and publications written through to PostgreSQL
#        pg-async   the same with synchronous_commit off
#        pg-dbonly  the database only, with 2 notifier processes (the clustered set-up)
# PostgreSQL (port PORT+1, WORKDIR/pg) is started here, as a child of this script,
# so that CPU and memory of the whole tree can be read from this script's
# pid (WORKDIR/pid).
# Environment: SHM (MiB, 8192), PKG (MiB, 64), ALLOC (tlsf), KEEP=1 keeps WORKDIR,
# EXTRA (more -A defines), BIN, MODPATH, SCHEMA.
set -eu
ulimit -c 0
mode=$1 port=$2 dir=$3 kids=${4:-4}
here=$(cd "$(dirname "$0")" && pwd)
bin=${BIN:-kamailio}
schema=${SCHEMA:-/usr/share/kamailio}
[ -n "${KEEP:-}" ] || rm -rf "$dir"
mkdir -p "$dir"
if ss -lnut | grep -q ":$port "; then echo "port $port is in use" >&2; exit 1; fi
echo $$ > "$dir/pid"
rm -f "$dir/kamailio.pid" "$dir/pg/postmaster.pid" # after kill -9 the old pid may still be a zombie
def=(-A "PORT=$port" -A "CHILDREN=$kids")
subs=0 cache=2 upd=100 nowinfo=1
aux=
stop() {
	trap - EXIT TERM INT
	if [ -n "${kpid:-}" ]; then
		all="$kpid $(pgrep -P "$kpid" || :)"
		kill "$kpid" 2>/dev/null || :
		# its memory is freed piece by piece at exit, which can take minutes: do not wait for that
		for _ in $(seq 30); do kill -0 "$kpid" 2>/dev/null || break; sleep 0.1; done
		kill -9 $all 2>/dev/null || :
		wait "$kpid" 2>/dev/null || :
	fi
	if [ -n "$aux" ]; then kill -INT "$aux" 2>/dev/null || :; wait "$aux" 2>/dev/null || :; fi
	exit 0
}
trap stop EXIT TERM INT

sqlite() {
	if [ ! -f "$dir/k.db" ]; then
		cat "$schema"/db_sqlite/{standard,presence}-create.sql | sqlite3 "$dir/k.db"
		sqlite3 "$dir/k.db" 'PRAGMA journal_mode=WAL' > /dev/null
	fi
	def+=(-A MOD_SQLITE -A "DBURL=\"sqlite://$dir/k.db\"" -A "JOURNAL=\"$dir/k.db=WAL\"")
}
pg() {
	local b; b=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
	local fresh=
	if [ ! -d "$dir/pg" ]; then
		mkdir "$dir/pg"; chown postgres "$dir/pg"; chmod 700 "$dir/pg"
		setpriv --reuid=postgres --regid=postgres --clear-groups "$b/initdb" -D "$dir/pg" -A trust --no-sync > "$dir/initdb.log"
		printf '%s\n' "listen_addresses='127.0.0.1'" "port=$((port+1))" "unix_socket_directories=''" shared_buffers=256MB max_connections=200 max_wal_size=4GB "synchronous_commit=$1" >> "$dir/pg/postgresql.conf"
		fresh=1
	fi
	setpriv --reuid=postgres --regid=postgres --clear-groups "$b/postgres" -D "$dir/pg" > "$dir/pg.log" 2>&1 &
	aux=$!
	for _ in $(seq 300); do "$b/pg_isready" -q -h 127.0.0.1 -p $((port+1)) -U postgres && break; sleep 0.02; done
	if [ -n "$fresh" ]; then
		"$b/psql" -q -h 127.0.0.1 -p $((port+1)) -U postgres -c 'create database kamailio' > /dev/null
		cat "$schema"/postgres/{standard,presence}-create.sql | "$b/psql" -q -h 127.0.0.1 -p $((port+1)) -U postgres kamailio > "$dir/schema.log" 2>&1
	fi
	def+=(-A MOD_PG -A "DBURL=\"postgres://postgres:x@127.0.0.1:$((port+1))/kamailio\"")
}
case $mode in
mem) ;;
mem-winfo) nowinfo=0 ;;
wb-sqlite) subs=2 upd=5; sqlite ;;
pg) subs=1 cache=1; pg on ;;
pg-async) subs=1 cache=1; pg off ;;
pg-dbonly) subs=3 cache=0; def+=(-A NOTIFIERS=2); pg on ;;
*) echo "unknown mode $mode" >&2; exit 2 ;;
esac
# memory in use: kamcmd -s unixs:WORKDIR/ctl core.shmmem
[ ! -f "${MODPATH:-/usr/lib/x86_64-linux-gnu/kamailio/modules}/ctl.so" ] || def+=(-A "CTL=\"unixs:$dir/ctl\"")
def+=(-A "SUBSMODE=$subs" -A "PUBLCACHE=$cache" -A "UPDPERIOD=$upd" -A "NOWINFO=$nowinfo")
# shellcheck disable=SC2086
"$bin" -f "$here/kamailio.cfg" -DD -E -Y "$dir" -P "$dir/kamailio.pid" -b 4194304 -m "${SHM:-8192}" -M "${PKG:-64}" \
	-x "${ALLOC:-tlsf}" -X "${ALLOC:-tlsf}" ${MODPATH:+-L "$MODPATH"} "${def[@]}" ${EXTRA:-} > "$dir/log" 2>&1 &
kpid=$!
wait "$kpid" || :
