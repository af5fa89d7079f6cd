#!/bin/sh
# Rebuilds examples/*.bpf.o from their C. Needs clang and libbpf's headers: apt-get install clang libbpf-dev linux-libc-dev
#   scripts/build-examples.sh [CLANG]
set -eu
cd "$(dirname "$0")/../examples"
clang=${1:-clang}
for source in *.bpf.c; do
  "$clang" -target bpf -mcpu=v3 -O2 -g -Wall -Werror -Wno-missing-declarations -I include \
    -isystem "/usr/include/$(uname -m)-linux-gnu" -fdebug-compilation-dir=. -c "$source" -o "${source%.c}.o"
  llvm-strip -g "${source%.c}.o" 2>/dev/null || true
done
ls -l ./*.bpf.o
