//! The `bpf()` calls that aya does not offer. Source: bpf(2) and the kernel's `include/uapi/linux/bpf.h`.

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    ptr,
};

use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_prog_info, bpf_stats_type};

fn bpf(command: bpf_cmd, attributes: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: the attributes outlive the call, and the callers below fill in what their command reads.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, mem::size_of::<bpf_attr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn attributes() -> bpf_attr {
    // SAFETY: all zeros is what the kernel expects of attributes that are not used.
    unsafe { mem::zeroed() }
}

fn owned(fd: i64) -> OwnedFd {
    // SAFETY: the kernel has just opened it for us.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// Copies the value of `key` into `value`: for a per-CPU map, the values of all possible CPUs, each padded to 8 bytes.
///
/// # Errors
///
/// Whatever the kernel says; `EPERM` without CAP_BPF before Linux 5.19.
///
/// # Safety
///
/// `key` and `value` have the sizes of the map's key and value (of all CPUs).
pub unsafe fn lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<()> {
    let mut attributes = attributes();
    attributes.__bindgen_anon_2.map_fd = map.as_raw_fd() as u32;
    attributes.__bindgen_anon_2.key = key.as_ptr() as u64;
    attributes.__bindgen_anon_2.__bindgen_anon_1.value = value.as_mut_ptr() as u64;
    bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut attributes).map(drop)
}

/// One step through a map: copies up to `count` keys and values.
///
/// `position` is none before the first step and says from then on where the next one begins. Gives how many were copied and
/// whether more may follow.
///
/// # Errors
///
/// Whatever the kernel says; `ENOSPC` if a hash bucket holds more elements than `count`.
///
/// # Safety
///
/// `keys` and `values` have room for `count` of the map's keys and values.
pub unsafe fn lookup_batch(
    map: BorrowedFd<'_>,
    position: &mut Option<u32>,
    keys: *mut u8,
    values: *mut u8,
    count: u32,
) -> io::Result<(u32, bool)> {
    let mut attributes = attributes();
    let mut next = 0u32;
    attributes.batch.map_fd = map.as_raw_fd() as u32;
    attributes.batch.in_batch = position.as_ref().map_or(0, |position| ptr::from_ref(position) as u64);
    attributes.batch.out_batch = &raw mut next as u64;
    attributes.batch.keys = keys as u64;
    attributes.batch.values = values as u64;
    attributes.batch.count = count;
    let result = bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attributes);
    // SAFETY: the field that this command uses; the kernel writes the count even when it says that it has come to the end.
    let copied = unsafe { attributes.batch.count };
    *position = Some(next);
    match result {
        Ok(_) => Ok((copied, true)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok((copied, false)),
        Err(error) => Err(error),
    }
}

/// Sets the value of `key`: for a per-CPU map, the values of all possible CPUs, each padded to 8 bytes.
///
/// # Errors
///
/// Whatever the kernel says.
///
/// # Safety
///
/// `key` and `value` have the sizes of the map's key and value (of all CPUs).
pub unsafe fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let mut attributes = attributes();
    attributes.__bindgen_anon_2.map_fd = map.as_raw_fd() as u32;
    attributes.__bindgen_anon_2.key = key.as_ptr() as u64;
    attributes.__bindgen_anon_2.__bindgen_anon_1.value = value.as_ptr() as u64;
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attributes).map(drop)
}

/// Has the kernel count and time the runs of all programs of the machine, as long as the file is open.
///
/// # Errors
///
/// Whatever the kernel says: `EPERM` without CAP_SYS_ADMIN.
pub fn enable_statistics() -> io::Result<OwnedFd> {
    let mut attributes = attributes();
    attributes.enable_stats.type_ = bpf_stats_type::BPF_STATS_RUN_TIME as u32;
    bpf(bpf_cmd::BPF_ENABLE_STATS, &mut attributes).map(owned)
}

/// Removes a key. A key that is not there is no error.
///
/// # Errors
///
/// Whatever else the kernel says.
///
/// # Safety
///
/// `key` has the size of the map's key.
pub unsafe fn delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<()> {
    let mut attributes = attributes();
    attributes.__bindgen_anon_2.map_fd = map.as_raw_fd() as u32;
    attributes.__bindgen_anon_2.key = key.as_ptr() as u64;
    match bpf(bpf_cmd::BPF_MAP_DELETE_ELEM, &mut attributes) {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

/// Links a loaded iterator program, so that it can be run.
///
/// # Errors
///
/// Whatever the kernel says.
pub fn link_iterator(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attributes = attributes();
    attributes.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attributes.link_create.attach_type = bpf_attach_type::BPF_TRACE_ITER as u32;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attributes).map(owned)
}

/// A file that runs the iterator once as it is read.
///
/// # Errors
///
/// Whatever the kernel says.
pub fn run_iterator(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attributes = attributes();
    attributes.iter_create.link_fd = link.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_ITER_CREATE, &mut attributes).map(owned)
}

/// What the kernel knows about a loaded program: its runs and their time (while `kernel.bpf_stats_enabled` is 1), and
/// how often it was not run because it was running already.
///
/// # Errors
///
/// Whatever the kernel says.
pub fn program_info(program: impl AsFd) -> io::Result<bpf_prog_info> {
    // SAFETY: plain numbers, for which 0 means "do not tell".
    let mut info: bpf_prog_info = unsafe { mem::zeroed() };
    let mut attributes = attributes();
    attributes.info.bpf_fd = program.as_fd().as_raw_fd() as u32;
    attributes.info.info_len = mem::size_of::<bpf_prog_info>() as u32;
    attributes.info.info = &raw mut info as u64;
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attributes)?;
    Ok(info)
}
