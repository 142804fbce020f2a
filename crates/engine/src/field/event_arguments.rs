//! The names that `evt.arg` and `evt.rawarg` may ask for.
//!
//! Arguments of system calls as Falco names them. An argument of that name has the kind that it
//! has in the first call that Falco lists with it.

use super::Kind;

/// What the raw value of that argument is; `None` when no event has such an argument.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    let place = NAMES.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    NAMES.get(place).map(|(_, kind)| *kind)
}

/// Every name, sorted.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

#[rustfmt::skip]
const NAMES: &[(&str, Kind)] = &[
    ("ID", Kind::Uint), ("action", Kind::Uint), ("addr", Kind::Bytes), ("arg", Kind::Uint),
    ("arg2", Kind::Bytes), ("arg2_int", Kind::Int), ("arg2_str", Kind::Text),
    ("arg3", Kind::Bytes), ("arg4", Kind::Bytes), ("arg5", Kind::Bytes), ("args", Kind::Bytes),
    ("argument", Kind::Uint), ("argv", Kind::Bytes), ("aux", Kind::Int), ("backlog", Kind::Int),
    ("cap_effective", Kind::Uint), ("cap_inheritable", Kind::Uint), ("cap_permitted", Kind::Uint),
    ("cgroups", Kind::Bytes), ("clockid", Kind::Uint), ("cmd", Kind::Uint), ("comm", Kind::Text),
    ("container_id", Kind::Text), ("core", Kind::Uint), ("cpu", Kind::Uint),
    ("cpu_sys", Kind::Uint), ("cpu_usr", Kind::Uint), ("cq_entries", Kind::Uint),
    ("creat_flags", Kind::Uint), ("cur", Kind::Int), ("cwd", Kind::Text), ("data", Kind::Bytes),
    ("desc", Kind::Text), ("description", Kind::Text), ("dev", Kind::Uint), ("dir", Kind::Path),
    ("dirfd", Kind::Int), ("domain", Kind::Uint), ("dpid", Kind::Int),
    ("dqb_bhardlimit", Kind::Uint), ("dqb_bsoftlimit", Kind::Uint), ("dqb_btime", Kind::Uint),
    ("dqb_curspace", Kind::Uint), ("dqb_ihardlimit", Kind::Uint), ("dqb_isoftlimit", Kind::Uint),
    ("dqb_itime", Kind::Uint), ("dqi_bgrace", Kind::Uint), ("dqi_flags", Kind::Uint),
    ("dqi_igrace", Kind::Uint), ("egid", Kind::Uint), ("entries", Kind::Uint),
    ("env", Kind::Bytes), ("error", Kind::Uint), ("euid", Kind::Uint), ("event_data", Kind::Uint),
    ("event_type", Kind::Uint), ("exe", Kind::Text), ("exe_ino", Kind::Uint),
    ("exe_ino_ctime", Kind::Time), ("exe_ino_mtime", Kind::Time), ("exe_ino_num", Kind::Uint),
    ("exepath", Kind::Path), ("fd", Kind::Int), ("fd1", Kind::Int), ("fd2", Kind::Int),
    ("fd_in", Kind::Int), ("fd_out", Kind::Int), ("fd_type", Kind::Uint), ("fdin", Kind::Int),
    ("fdlimit", Kind::Uint), ("fdout", Kind::Int), ("fds", Kind::Bytes), ("features", Kind::Uint),
    ("filename", Kind::Path), ("first", Kind::Uint), ("flags", Kind::Uint), ("gid", Kind::Uint),
    ("home", Kind::Text), ("how", Kind::Uint), ("id", Kind::Uint), ("image", Kind::Text),
    ("img", Kind::Bytes), ("in_fd", Kind::Int), ("initval", Kind::Uint), ("ino", Kind::Uint),
    ("ino_num", Kind::Uint), ("interval", Kind::Uint), ("ip", Kind::Uint), ("json", Kind::Text),
    ("key", Kind::Int), ("last", Kind::Uint), ("len", Kind::Uint), ("length", Kind::Uint),
    ("level", Kind::Uint), ("linkdirfd", Kind::Int), ("linkpath", Kind::Path),
    ("local_ip", Kind::Ip), ("local_port", Kind::Port), ("loginuid", Kind::Uint),
    ("mask", Kind::Uint), ("max", Kind::Int), ("maxevents", Kind::Int),
    ("min_complete", Kind::Uint), ("mnt_id", Kind::Uint), ("mode", Kind::Uint),
    ("mountfd", Kind::Int), ("msgcontrol", Kind::Bytes), ("name", Kind::Path),
    ("nativeID", Kind::Uint), ("newcur", Kind::Int), ("newdir", Kind::Int),
    ("newdirfd", Kind::Int), ("newfd", Kind::Int), ("newmax", Kind::Int), ("newpath", Kind::Path),
    ("next", Kind::Int), ("nr_args", Kind::Uint), ("nsems", Kind::Int), ("nsops", Kind::Uint),
    ("nstype", Kind::Uint), ("offin", Kind::Uint), ("offout", Kind::Uint), ("offset", Kind::Uint),
    ("oldcur", Kind::Int), ("olddir", Kind::Int), ("olddirfd", Kind::Int), ("oldfd", Kind::Int),
    ("oldmax", Kind::Int), ("oldpath", Kind::Path), ("op", Kind::Uint), ("opcode", Kind::Uint),
    ("operation", Kind::Uint), ("option", Kind::Uint), ("optlen", Kind::Uint),
    ("optname", Kind::Uint), ("out_fd", Kind::Int), ("path", Kind::Path),
    ("pathname", Kind::Path), ("peer", Kind::Uint), ("pgft_maj", Kind::Uint),
    ("pgft_min", Kind::Uint), ("pgid", Kind::Int), ("pgoffset", Kind::Uint), ("pid", Kind::Int),
    ("pid_fd", Kind::Int), ("pidns_init_start_ts", Kind::Uint), ("plugin_id", Kind::Uint),
    ("pos", Kind::Uint), ("ppid", Kind::Int), ("prot", Kind::Uint), ("proto", Kind::Uint),
    ("ptid", Kind::Int), ("queuelen", Kind::Uint), ("queuemax", Kind::Uint),
    ("queuepct", Kind::Uint), ("quota_fmt", Kind::Uint), ("quota_fmt_out", Kind::Uint),
    ("quotafilepath", Kind::Text), ("ratio", Kind::Uint), ("reaper_tid", Kind::Int),
    ("remote_ip", Kind::Ip), ("remote_port", Kind::Port), ("request", Kind::Uint),
    ("res", Kind::Int), ("res_or_fd", Kind::Bytes), ("resolve", Kind::Uint),
    ("resource", Kind::Uint), ("ret", Kind::Int), ("rgid", Kind::Uint), ("root", Kind::Path),
    ("ruid", Kind::Uint), ("scope", Kind::Text), ("sem_flg_0", Kind::Uint),
    ("sem_flg_1", Kind::Uint), ("sem_num_0", Kind::Uint), ("sem_num_1", Kind::Uint),
    ("sem_op_0", Kind::Int), ("sem_op_1", Kind::Int), ("semflg", Kind::Uint),
    ("semid", Kind::Int), ("semnum", Kind::Int), ("sgid", Kind::Uint), ("shell", Kind::Text),
    ("sid", Kind::Int), ("sig", Kind::Uint), ("sigmask", Kind::Bytes), ("size", Kind::Uint),
    ("sk_pointer", Kind::Uint), ("sk_proto", Kind::Uint), ("sk_type", Kind::Uint),
    ("source", Kind::Uint), ("special", Kind::Text), ("spid", Kind::Int),
    ("sq_entries", Kind::Uint), ("sq_thread_cpu", Kind::Uint), ("sq_thread_idle", Kind::Uint),
    ("start_time", Kind::Time), ("status", Kind::Int), ("suid", Kind::Uint),
    ("sun_path", Kind::Path), ("tags", Kind::Bytes), ("target", Kind::Text),
    ("target_fd", Kind::Int), ("tid", Kind::Int), ("timeout", Kind::Int),
    ("to_submit", Kind::Uint), ("trusted_exepath", Kind::Path), ("tty", Kind::Int),
    ("tuple", Kind::Bytes), ("type", Kind::Uint), ("uargs", Kind::Text), ("uid", Kind::Uint),
    ("val", Kind::Bytes), ("value_bytebuf", Kind::Bytes), ("value_charbuf", Kind::Text),
    ("vm_rss", Kind::Uint), ("vm_size", Kind::Uint), ("vm_swap", Kind::Uint),
    ("vpgid", Kind::Int), ("vpid", Kind::Int), ("vtgid", Kind::Int), ("vtid", Kind::Int),
    ("whence", Kind::Uint),
];
