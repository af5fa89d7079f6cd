#!/bin/sh
# Rebuilds examples/*.bpf.o from their C. Needs clang and libbpf's headers:
#   apt-get install clang llvm libbpf-dev linux-libc-dev
#   scripts/build-examples.sh [CLANG]
set -eu
cd "$(dirname "$0")/../examples"
clang=${1:-clang}
build() { # target source object
  "$clang" -target "$1" -mcpu=v3 -O2 -g -Wall -Werror -Wno-missing-declarations -I include \
    -isystem "/usr/include/$(uname -m)-linux-gnu" -fdebug-compilation-dir=. -c "$2" -o "$3"
  llvm-strip -g "$3"
}
for source in *.bpf.c; do build bpfel "$source" "${source%.c}.o"; done
# Three of them for big-endian machines, for the tests.
for name in xdp_counter tail_parser firewall; do build bpfeb "$name.bpf.c" "../testdata/bpfeb/$name.bpf.o"; done
ls -l ./*.bpf.o ../testdata/bpfeb
