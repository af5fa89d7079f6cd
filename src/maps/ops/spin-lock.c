// Locks in values (kernel/bpf/helpers.c: bpf_spin_lock). Where one thread runs the machine a verified program finds none held.
#include "ops.h"

OP u64 spin_lock(u64 at) {
  W(at, 0) = 1;
  return 0;
}
OP u64 spin_unlock(u64 at) {
  W(at, 0) = 0;
  return 0;
}
OP u64 spin_lock_shared(u64 at) {
  lock(at);
  return 0;
}
OP u64 spin_unlock_shared(u64 at) {
  unlock(at);
  return 0;
}
