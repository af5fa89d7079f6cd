#!/bin/sh
# Builds the oracle as one static executable; needs gcc and the static libraries of libbpf, libelf, zlib and zstd.
#   build.sh OUT [ROOT]      with ROOT, builds inside that root through chroot (OUT lies outside)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
root=${2:-}
wraps=
for name in syscall fopen fopen64 open open64 access uname gzopen gzopen64 gzgets gzclose; do wraps="$wraps,--wrap=$name"; done
build() { echo "cc -static -O1 -o $1 $2 -Wl$wraps -lbpf -lelf -lz -lzstd"; }
if [ -n "$root" ]; then
  cp "$here/oracle.c" "$root/tmp/libbpf-oracle.c"
  chroot "$root" sh -c "$(build /tmp/libbpf-oracle /tmp/libbpf-oracle.c)"
  cp "$root/tmp/libbpf-oracle" "$out"
else
  sh -c "$(build "$out" "$here/oracle.c")"
fi
