//! /proc/self/mountinfo: what is mounted where, and which of it holds data.
//!
//! In: its bytes (paths need not be UTF-8). Out: one [`Mount`] for each filesystem that can fill up. Left out are the
//! kernel's own filesystems, images that are full by nature (squashfs and the like), the layers of containers, and tmpfs
//! anywhere but where programs put files: /tmp, /dev/shm, /run. (Kernel: fs/proc_namespace.c; proc(5).)

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use super::file::Expected;
use crate::device::DeviceId;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The filesystem's device, or the number that stands for it. Mounts of one filesystem have the same.
    pub(super) device: DeviceId,
    /// Where.
    pub(super) path: PathBuf,
    /// The type.
    pub(super) kind: String,
    /// What.
    pub(super) source: String,
    /// Whether the mount or the filesystem is read-only.
    pub(super) read_only: bool,
}

/// Types that hold no data or never fill up.
const PASSED_OVER: &[&str] = &[
    "autofs",
    "bdev",
    "binder",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "cramfs",
    "debugfs",
    "devfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.snapfuse",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nfsd",
    "nsfs",
    "pipefs",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rootfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sockfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "usbfs",
    "xenfs",
];

/// Where tmpfs is a place for files. Elsewhere (/run/user/1000, credentials, masks of containers) it is plumbing.
const TMPFS: &[&str] = &["/tmp", "/dev/shm", "/run"];

/// Where container engines mount the layers of their containers: the space is that of the filesystem below.
const CONTAINERS: &[&str] = &[
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/containerd",
    "/run/containerd",
    "/run/containers",
    "/run/k3s",
];

/// Reads the bytes of mountinfo. Lines that are malformed are left out, and then the result says so.
pub(super) fn parse(bytes: &[u8]) -> (Vec<Mount>, Result<(), Expected>) {
    let mut mounts = Vec::new();
    let mut result = Ok(());
    for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        match parse_line(line) {
            Some(mount) => mounts.push(mount),
            None => result = Err(Expected("ten fields with ` - ` before the last three in each line")),
        }
    }
    (mounts, result)
}

/// Of all mounts, those to show: filesystems that hold data, each at the shortest path it has; by path.
pub(super) fn choose(mounts: Vec<Mount>) -> Vec<Mount> {
    let mut chosen: Vec<Mount> = Vec::new();
    for mount in mounts {
        // What is mounted later hides what was there.
        chosen.retain(|earlier| earlier.path != mount.path);
        chosen.push(mount);
    }
    chosen.retain(holds_data);
    let length = |mount: &Mount| mount.path.as_os_str().len();
    chosen.sort_by(|a, b| a.device.cmp(&b.device).then(length(a).cmp(&length(b))));
    chosen.dedup_by_key(|mount| mount.device);
    chosen.sort_by(|a, b| a.path.cmp(&b.path));
    chosen
}

fn holds_data(mount: &Mount) -> bool {
    match mount.kind.as_str() {
        "tmpfs" => TMPFS.iter().any(|path| mount.path == Path::new(path)),
        "overlay" => !CONTAINERS.iter().any(|path| mount.path.starts_with(path)),
        kind => !PASSED_OVER.contains(&kind),
    }
}

/// `27 1 254:0 / /mnt rw,relatime shared:1 - ext4 /dev/vda rw`, with any number of fields before the dash.
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let device = std::str::from_utf8(fields.nth(2)?).ok()?.parse().ok()?;
    let path = PathBuf::from(OsString::from_vec(unescape(fields.nth(1)?)));
    let options = fields.next()?;
    fields.find(|field| *field == b"-")?;
    let kind = lossy(fields.next()?);
    let source = lossy(fields.next()?);
    let read_only =
        [options, fields.next()?].iter().any(|options| options.split(|&byte| byte == b',').any(|o| o == b"ro"));
    path.is_absolute().then_some(Mount { device, path, kind, source, read_only })
}

fn lossy(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

/// Undoes the kernel's escapes: a backslash and three octal digits stand for a byte (blank, tab, newline, backslash, `#`).
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}

/// Where a mount is found when the machine's root is at `root`.
pub(super) fn below(root: &Path, mount: &Path) -> PathBuf {
    root.join(mount.strip_prefix("/").unwrap_or(mount))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use proptest::prelude::*;

    use super::*;

    fn chosen(lines: &[&str]) -> Vec<(String, String)> {
        let (mounts, result) = parse(lines.join("\n").as_bytes());
        assert_eq!(result, Ok(()));
        choose(mounts).into_iter().map(|mount| (mount.path.display().to_string(), mount.kind)).collect()
    }

    #[test]
    fn a_filesystem_mounted_twice_is_shown_once_at_its_shortest_path() {
        let lines = [
            "1 0 8:1 /srv/data /long/bind rw - ext4 /dev/sda1 rw",
            "2 0 8:1 / /mnt rw shared:1 master:2 - ext4 /dev/sda1 rw",
        ];
        assert_eq!(chosen(&lines), [("/mnt".into(), "ext4".into())]);
    }

    #[test]
    fn what_is_mounted_over_is_not_shown() {
        let lines = ["1 0 8:1 / /mnt rw - ext4 /dev/sda1 rw", "2 0 8:2 / /mnt rw - xfs /dev/sda2 rw"];
        assert_eq!(chosen(&lines), [("/mnt".into(), "xfs".into())]);
        let lines = ["1 0 8:1 / /mnt rw - ext4 /dev/sda1 rw", "2 0 0:9 / /mnt rw - proc proc rw"];
        assert_eq!(chosen(&lines), []);
    }

    #[test]
    fn only_filesystems_that_hold_data_are_shown() {
        let lines = [
            "1 0 0:1 / / rw - overlay overlay rw",
            "2 0 0:2 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
            "3 0 0:3 / /run/user/1000 rw - tmpfs tmpfs rw",
            "4 0 0:4 / /run rw - tmpfs tmpfs rw",
            "5 0 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro",
            "6 0 0:6 / /home rw - nfs4 server:/home rw",
            "7 0 0:7 / /sys/fs/bpf rw - bpf bpf rw",
        ];
        let paths: Vec<_> = chosen(&lines).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["/", "/home", "/run"]);
    }

    #[test]
    fn read_only_is_known_by_mount_or_filesystem() {
        for (mount, filesystem, read_only) in
            [("ro", "rw", true), ("rw", "ro,x", true), ("rw,relatime", "rw,errors=remount-ro", false)]
        {
            let line = format!("1 0 8:1 / /mnt {mount} - ext4 /dev/sda1 {filesystem}");
            assert_eq!(parse(line.as_bytes()).0[0].read_only, read_only);
        }
    }

    /// The kernel's own rule: these bytes become a backslash and three octal digits.
    fn escape(bytes: &[u8]) -> Vec<u8> {
        let escape = |&byte: &u8| match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
            _ => vec![byte],
        };
        bytes.iter().flat_map(escape).collect()
    }

    proptest! {
        #[test]
        fn a_path_of_any_bytes_survives(name in proptest::collection::vec(1u8..=255, 1..40)) {
            let line = [b"1 0 8:1 / /".as_slice(), &escape(&name), b" rw - ext4 ", &escape(&name), b" rw"].concat();
            let (mounts, result) = parse(&line);
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(mounts[0].path.as_os_str().as_bytes(), [b"/".as_slice(), &name].concat());
            prop_assert_eq!(&mounts[0].source, &String::from_utf8_lossy(&name));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in "([0-9]:[0-9]|rw|ro|/|[ \n\\\\-]|[0-7]{3}|\\PC){0,60}") {
            choose(parse(bytes.as_bytes()).0);
        }
    }
}
