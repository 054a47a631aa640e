#!/bin/sh
# What a new machine sees: a minimal Debian 12 in a temporary folder, this commit
# cloned inside it, then the README's two commands: `make demo`, driven to its first
# delivered stanza and stopped, and `make check`.  Needs root and debootstrap; not
# part of CI.  Prints what both printed.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" -eq 0 ] || { echo "fresh: run as root (debootstrap, chroot)" >&2; exit 77; }
command -v debootstrap >/dev/null || { echo "fresh: apt-get install debootstrap" >&2; exit 77; }
root=$(mktemp -d /var/tmp/waft-fresh.XXXXXX)
clean() {
	for process in /proc/[0-9]*; do
		[ "$(readlink "$process/root")" != "$root" ] ||
		    kill -KILL "${process#/proc/}" 2>/dev/null || true
	done
	umount -R -l "$root" 2>/dev/null || true
	rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 1' INT TERM

# The host's own mirror and apt settings, whatever they are.
mirror=$(sed -n -e 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
[ -n "$mirror" ] || mirror=$(awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list)
echo "== debootstrap"
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log"; exit 1; }
rm -f "$root.log"
cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
cp -a /etc/apt/sources.list.d/. "$root/etc/apt/sources.list.d/" 2>/dev/null || true
[ ! -e /etc/apt/sources.list ] || cp /etc/apt/sources.list "$root/etc/apt/"
cp -a /etc/apt/trusted.gpg.d/. "$root/etc/apt/trusted.gpg.d/" 2>/dev/null || true
[ ! -d /etc/apt/keyrings ] || cp -a /etc/apt/keyrings "$root/etc/apt/"
[ ! -d /usr/share/keyrings ] || cp -a /usr/share/keyrings/. "$root/usr/share/keyrings/"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
[ ! -d /usr/local/share/ca-certificates ] || {
	mkdir -p "$root/usr/local/share"
	cp -a /usr/local/share/ca-certificates "$root/usr/local/share/"
}
[ ! -e "$HOME/.npmrc" ] || cp "$HOME/.npmrc" "$root/root/.npmrc"
# A mount of its own, as / of a machine is: a test mounts below it.
mount --bind "$root" "$root" && mount --make-private "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys" && mount --make-rslave "$root/sys"
mount --rbind /dev "$root/dev" && mount --make-rslave "$root/dev"
git -C "$here" bundle create "$root/root/waft.bundle" HEAD >/dev/null 2>&1

inside() {
	chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	    LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -euc "$1"
}
inside 'apt-get update -q >/dev/null 2>&1
	apt-get install -q -y --no-install-recommends git make ca-certificates >/dev/null 2>&1
	git -c advice.detachedHead=false clone -q /root/waft.bundle /root/waft'

echo "== make demo"
inside 'cd /root/waft
	setsid make demo >/root/demo.log 2>&1 &
	demo=$!
	i=0
	until grep -q "curl http" /root/demo.log; do
		i=$((i + 1))
		kill -0 $demo && [ $i -lt 1200 ] || { tail -n 40 /root/demo.log; exit 1; }
		sleep 1
	done
	sed -n "s/^ *curl http/curl -sS http/p" /root/demo.log >/root/publish.sh
	sh /root/publish.sh
	i=0
	until grep -q "received:" /root/demo.log; do
		i=$((i + 1))
		[ $i -lt 30 ] || { tail -n 40 /root/demo.log; exit 1; }
		sleep 1
	done
	kill -INT -$demo
	wait $demo || true
	tail -n 22 /root/demo.log
	grep -q "nothing left behind" /root/demo.log'
for process in /proc/[0-9]*; do
	[ "$(readlink "$process/root")" != "$root" ] ||
	    { echo "fresh: left running: $(cat "$process/comm")"; exit 1; }
done
echo "== make check"
inside 'cd /root/waft && make check >/root/check.log 2>&1 || {
		tail -n 100 /root/check.log; exit 1; }
	tail -n 9 /root/check.log'
enabled=$(find "$root"/etc/rc[2-5].d "$root"/etc/systemd/system -name 'S*prosody' \
    -o -name 'S*ejabberd' -o -name prosody.service -o -name ejabberd.service \
    -o -name 'epmd.*')
[ -z "$enabled" ] || { echo "fresh: enabled as services: $enabled"; exit 1; }
echo "fresh: both commands work on a new machine"
