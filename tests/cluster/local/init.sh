#!/bin/sh
# The first process inside a cluster's namespaces: sets them up, then waits to be killed.
# All that it mounts and all that runs beside it ends with it.
# usage: init.sh STATE_DIR
set -eu
state=$1

# Containers that ask for mount propagation get it, within these namespaces only.
mount --make-rshared /
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=0755 tmpfs /var/log
mkdir -p /var/lib/cni /var/lib/kubelet /run/node /run/kernel /run/lock "$state/node/kubelet"
mount -t tmpfs tmpfs /var/lib/cni
# Parts of the kubelet know no other place than this one.
mount --bind "$state/node/kubelet" /var/lib/kubelet
# A short name for the node's data: the path of a socket may have 107 bytes only.
mount --bind "$state/node" /run/node

# The kubelet insists on these values. Show it files that hold them, and leave the machine's alone.
pretend() { # path below /proc/sys, value
    [ -e "/proc/sys/$1" ] || return 0
    file=/run/kernel/$(echo "$1" | tr / -)
    echo "$2" >"$file"
    mount --bind "$file" "/proc/sys/$1"
}
pretend vm/overcommit_memory 1
pretend vm/panic_on_oom 0
pretend kernel/panic 10
pretend kernel/panic_on_oops 1
pretend kernel/keys/root_maxkeys 1000000
pretend kernel/keys/root_maxbytes 25000000

ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward

: >/run/initialised
# With SIGCHLD ignored the kernel itself buries the orphans that land here.
exec env --ignore-signal=CHLD sleep infinity
