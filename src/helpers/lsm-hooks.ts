/**
 * Sets of LSM hooks, by name of their BPF functions (`bpf_lsm_file_open`). A hook the kernel was not built with simply does
 * not occur.
 *
 * Source: `kernel/bpf/bpf_lsm.c` of Linux 6.12.
 */
const PREFIX = 'bpf_lsm_';
const hooks = (...names: string[]): ReadonlySet<string> => new Set(names.map(name => PREFIX + name));

/** Hooks no program may be attached to (`bpf_lsm_disabled_hooks`). */
export const LSM_DISABLED_HOOKS: ReadonlySet<string> = hooks(
  'vm_enough_memory',
  'inode_need_killpriv',
  'inode_getsecurity',
  'inode_listsecurity',
  'inode_copy_up_xattr',
  'getselfattr',
  'getprocattr',
  'setprocattr',
  'key_getsecurity',
  'audit_rule_match',
  'xfrm_decode_session',
  'ismaclabel',
);

const LOCKED_SOCKOPT = hooks('sock_graft', 'inet_csk_clone', 'inet_conn_established');

const UNLOCKED_SOCKOPT = hooks('socket_post_create', 'socket_socketpair');

/** Hooks whose programs may sleep (`sleepable_lsm_hooks`). */
export const LSM_SLEEPABLE_HOOKS: ReadonlySet<string> = hooks(
  ...(
    'bpf bpf_map bpf_map_create bpf_map_free bpf_prog bpf_prog_load bpf_prog_free bpf_token_create bpf_token_free ' +
    'bpf_token_cmd bpf_token_capable bprm_check_security bprm_committed_creds bprm_committing_creds ' +
    'bprm_creds_for_exec bprm_creds_from_file capget capset cred_prepare file_ioctl file_lock file_open ' +
    'file_post_open file_receive inode_create inode_free_security inode_getattr inode_getxattr inode_mknod ' +
    'inode_need_killpriv inode_post_setxattr inode_readlink inode_rename inode_rmdir inode_setattr inode_setxattr ' +
    'inode_symlink inode_unlink kernel_module_request kernel_read_file kernfs_init_security path_unlink path_mkdir ' +
    'path_rmdir path_truncate path_symlink path_link path_rename path_chmod path_chown mmap_file netlink_send ' +
    'path_notify release_secctx sb_alloc_security sb_eat_lsm_opts sb_kern_mount sb_mount sb_remount sb_set_mnt_opts ' +
    'sb_show_options sb_statfs sb_umount settime socket_accept socket_bind socket_connect socket_create ' +
    'socket_getpeername socket_getpeersec_dgram socket_getsockname socket_getsockopt socket_listen ' +
    'socket_post_create socket_recvmsg socket_sendmsg socket_shutdown socket_socketpair syslog task_alloc ' +
    'current_getsecid_subj task_getsecid_obj task_prctl task_setscheduler userns_create'
  ).split(' '),
);

const UNTRUSTED = hooks(
  'bpf_map_free',
  'bpf_prog_free',
  'file_alloc_security',
  'file_free_security',
  'sk_alloc_security',
  'sk_free_security',
  'task_free',
);

const BOOL = hooks('xfrm_state_pol_flow_match', 'audit_rule_known', 'inode_xattr_skipcap');

/** The hook's socket is locked (`bpf_lsm_locked_sockopt_hooks`). */
export const bpfLsmIsLockedSockoptHook = (attachFuncName: string): boolean => LOCKED_SOCKOPT.has(attachFuncName);
/** The hook's socket is not locked, and needs not be (`bpf_lsm_unlocked_sockopt_hooks`). */
export const bpfLsmIsUnlockedSockoptHook = (attachFuncName: string): boolean => UNLOCKED_SOCKOPT.has(attachFuncName);
/** The hook's arguments are whole and stay. Source: `bpf_lsm_is_trusted`. */
export const bpfLsmIsTrusted = (attachFuncName: string): boolean => !UNTRUSTED.has(attachFuncName);
/** The hook returns 0 or 1 (`bool_lsm_hooks`). */
export const bpfLsmIsBoolHook = (attachFuncName: string): boolean => BOOL.has(attachFuncName);
