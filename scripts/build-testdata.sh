#!/bin/sh
# Builds testdata/object/*.c and testdata/exe/*.c into little-endian (el) and big-endian (eb) objects beside the sources, and
# testdata/explain/*.c into little-endian ones.
#
#   scripts/build-testdata.sh            CLANG and LLVM_STRIP name other tools than those on the path; built with clang 14
#
# The objects are committed, so that tests need no compiler. After a rebuild read the diff of the goldens.
set -eu
cd "$(dirname "$0")/../testdata/object"
clang=${CLANG:-clang}
strip=${LLVM_STRIP:-llvm-strip}

build() { # SOURCE OUT FLAGS...
  source=$1 out=$2
  shift 2
  for order in el eb; do
    $clang -target "bpf$order" -mcpu=v3 -O2 -Wall -Wno-unused -Wno-unused-function "$@" -c "$source.c" -o "$out.$order.o"
    $strip -g "$out.$order.o"
  done
}

for source in *.c; do build "${source%.c}" "${source%.c}" -g; done
build calls calls-without-btf

cd ../exe
for source in *.bpf.c; do
  for order in el eb; do
    $clang -target "bpf$order" -mcpu=v3 -O2 -g -Wall -Wno-unused-function -isystem "/usr/include/$(uname -m)-linux-gnu" \
      -fdebug-compilation-dir=. -c "$source" -o "${source%.c}$order.o"
    $strip -g "${source%.c}$order.o"
  done
done

cd ../explain
for source in *.bpf.c; do
  $clang -target bpf -mcpu=v3 -O2 -g -Wall -Wno-unused -Wno-unused-function -Wno-uninitialized \
    -isystem "/usr/include/$(uname -m)-linux-gnu" -fdebug-compilation-dir=. -c "$source" -o "${source%.c}.o"
  $strip -g "${source%.c}.o"
done
