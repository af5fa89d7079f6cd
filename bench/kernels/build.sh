#!/bin/sh
# Builds the BPF objects beside the sources: clang 14 or later.
set -e
cd "$(dirname "$0")"
for source in *.c; do
  [ "$source" = native.c ] && continue
  clang -target bpf -mcpu=v3 -O2 -Wall -Wextra -c "$source" -o "${source%.c}.bpf.o"
done
