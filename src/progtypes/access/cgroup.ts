import { PTR_TO_PACKET, PTR_TO_PACKET_END, PTR_TO_SOCKET } from '../../helpers/index.ts';
import { bpf_attach_type } from '../../uapi/index.ts';
import {
  BPF_CGROUP_DEV_CTX,
  BPF_CGROUP_DEV_CTX_BYTES,
  BPF_SOCKOPT,
  BPF_SOCKOPT_BYTES,
  BPF_SYSCTL,
  BPF_SYSCTL_BYTES,
} from '../ctx-structs.ts';
import { type AccessRule, at, field, narrow, onRead, pointerOf, refused, sized, structRule } from './rules.ts';

const WORD = sized(4);
const NARROW_WORD = narrow(4);

/** Refuses what would reach behind the struct's end. */
const inside =
  (sizeBytes: number, rule: AccessRule): AccessRule =>
  (off, size, write, prog, access) =>
    off + size <= sizeBytes && rule(off, size, write, prog, access);

/** Source: `kernel/bpf/cgroup.c: cgroup_dev_is_valid_access`. */
export const cgroupDeviceAccess: AccessRule = inside(
  BPF_CGROUP_DEV_CTX_BYTES,
  onRead(structRule(BPF_CGROUP_DEV_CTX_BYTES, [field(BPF_CGROUP_DEV_CTX.access_type, 4, NARROW_WORD)], WORD)),
);

/** Source: `kernel/bpf/cgroup.c: sysctl_is_valid_access`. */
export const cgroupSysctlAccess: AccessRule = inside(
  BPF_SYSCTL_BYTES,
  structRule(
    BPF_SYSCTL_BYTES,
    [
      field(BPF_SYSCTL.write, 4, onRead(NARROW_WORD)),
      field(BPF_SYSCTL.file_pos, 4, (off, size, write, prog, access) =>
        write ? size === 4 : NARROW_WORD(off, size, write, prog, access),
      ),
    ],
    refused,
  ),
);

const wordIf =
  (attachType: number): AccessRule =>
  (_off, size, _write, prog) =>
    size === 4 && prog.attachType === attachType;
const SET = wordIf(bpf_attach_type.BPF_CGROUP_SETSOCKOPT);
const GET = wordIf(bpf_attach_type.BPF_CGROUP_GETSOCKOPT);

const sockoptStores = structRule(
  BPF_SOCKOPT_BYTES,
  [at(BPF_SOCKOPT.retval, GET), at(BPF_SOCKOPT.optname, SET), at(BPF_SOCKOPT.level, SET), at(BPF_SOCKOPT.optlen, WORD)],
  refused,
);
const sockoptLoads = structRule(
  BPF_SOCKOPT_BYTES,
  [
    field(BPF_SOCKOPT.sk, 8, pointerOf(PTR_TO_SOCKET)),
    field(BPF_SOCKOPT.optval, 8, pointerOf(PTR_TO_PACKET)),
    field(BPF_SOCKOPT.optval_end, 8, pointerOf(PTR_TO_PACKET_END)),
    field(BPF_SOCKOPT.retval, 4, GET),
  ],
  WORD,
);

/** Source: `kernel/bpf/cgroup.c: cg_sockopt_is_valid_access`. */
export const cgroupSockoptAccess: AccessRule = (off, size, write, prog, access) =>
  (write ? sockoptStores : sockoptLoads)(off, size, write, prog, access);
