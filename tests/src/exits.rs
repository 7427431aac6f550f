//! The books of tasks that end, which /proc forgets: the kernel sends them to whoever asks, over taskstats.
//! Source: the kernel's Documentation/accounting/taskstats.rst and include/uapi/linux/taskstats.h, netlink(7).

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

/// What a task's books said when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The task.
    pub pid: u32,
    /// Time spent waiting for a CPU in nanoseconds.
    pub run_delay_ns: u64,
}

/// Hears of every task that ends from now on.
pub struct Exits {
    socket: OwnedFd,
}

const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const TASKSTATS_GET: u8 = 1;
const REGISTER_CPUMASK: u16 = 3;
const TYPE_PID: u16 = 1;
const TYPE_STATS: u16 = 3;
const TYPE_AGGR_PID: u16 = 4;
/// Where `cpu_delay_total` is in `struct taskstats`, in every version of it.
const RUN_DELAY_AT: usize = 24;
/// The headers of netlink and of generic netlink.
const HEADERS: usize = 16 + 4;

impl Exits {
    /// Begins to listen on all of the machine's CPUs.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says, if it does not have taskstats.
    pub fn listen() -> io::Result<Self> {
        // SAFETY: takes integers only.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_GENERIC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened.
        let exits = Self { socket: unsafe { OwnedFd::from_raw_fd(fd) } };
        let room: libc::c_int = 64 << 20;
        // SAFETY: reads an integer. With the usual room a burst of exits would be lost; the kernel says so when we read.
        unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_RCVBUFFORCE,
                (&raw const room).cast(),
                size_of_val(&room) as u32,
            )
        };
        exits.send(CONTROL, GET_FAMILY, FAMILY_NAME, b"TASKSTATS\0")?;
        let reply = exits.receive(0)?.unwrap_or_default();
        let family = attributes(reply.get(HEADERS..).unwrap_or_default())
            .find_map(|(kind, value)| (kind == FAMILY_ID).then(|| u16::from_ne_bytes([value[0], value[1]])))
            .ok_or_else(|| io::Error::other("the kernel has no taskstats"))?;
        // The answer to the question is followed by its acknowledgement.
        exits.receive(0)?;
        let cpus = std::fs::read_to_string("/sys/devices/system/cpu/possible")?;
        exits.send(family, TASKSTATS_GET, REGISTER_CPUMASK, format!("{}\0", cpus.trim()).as_bytes())?;
        exits.receive(0)?;
        Ok(exits)
    }

    /// Everything heard since the last call.
    ///
    /// # Errors
    ///
    /// `ENOBUFS` if some were lost, for want of room.
    pub fn take(&self) -> io::Result<Vec<Exit>> {
        let mut taken = Vec::new();
        while let Some(message) = self.receive(libc::MSG_DONTWAIT)? {
            let payload = message.get(HEADERS..).unwrap_or_default();
            taken.extend(
                attributes(payload).filter(|(kind, _)| *kind == TYPE_AGGR_PID).filter_map(|(_, one)| exit(one)),
            );
        }
        Ok(taken)
    }

    fn send(&self, family: u16, command: u8, attribute: u16, value: &[u8]) -> io::Result<()> {
        let attribute_length = 4 + value.len();
        let length = HEADERS + attribute_length.next_multiple_of(4);
        let mut message = Vec::with_capacity(length);
        message.extend((length as u32).to_ne_bytes());
        message.extend(family.to_ne_bytes());
        message.extend(((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16).to_ne_bytes());
        message.extend([0; 8]);
        message.extend([command, 1, 0, 0]);
        message.extend((attribute_length as u16).to_ne_bytes());
        message.extend(attribute.to_ne_bytes());
        message.extend(value);
        message.resize(length, 0);
        // SAFETY: reads our own bytes.
        match unsafe { libc::send(self.socket.as_raw_fd(), message.as_ptr().cast(), length, 0) } {
            sent if sent < 0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// One message; none if there is none and the flags say not to wait.
    fn receive(&self, flags: libc::c_int) -> io::Result<Option<Vec<u8>>> {
        let mut message = vec![0u8; 16 << 10];
        // SAFETY: writes into our own bytes.
        let read = unsafe { libc::recv(self.socket.as_raw_fd(), message.as_mut_ptr().cast(), message.len(), flags) };
        if read < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        }
        message.truncate(read as usize);
        // An error message begins with its number, negative; an acknowledgement is the error 0.
        let kind = message.get(4..6).map_or(0, |kind| u16::from_ne_bytes([kind[0], kind[1]]));
        if i32::from(kind) == libc::NLMSG_ERROR
            && let Some(Ok(number)) = message.get(16..20).map(<[u8; 4]>::try_from)
            && i32::from_ne_bytes(number) != 0
        {
            return Err(io::Error::from_raw_os_error(-i32::from_ne_bytes(number)));
        }
        Ok(Some(message))
    }
}

fn exit(aggregate: &[u8]) -> Option<Exit> {
    let find = |wanted| attributes(aggregate).find_map(|(kind, value)| (kind == wanted).then_some(value));
    Some(Exit {
        pid: u32::from_ne_bytes(find(TYPE_PID)?.get(..4)?.try_into().ok()?),
        run_delay_ns: u64::from_ne_bytes(find(TYPE_STATS)?.get(RUN_DELAY_AT..RUN_DELAY_AT + 8)?.try_into().ok()?),
    })
}

/// The attributes in a message: kind and value.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*rest.first()?, *rest.get(1)?]));
        // The two highest bits say how the value is made.
        let kind = u16::from_ne_bytes([*rest.get(2)?, *rest.get(3)?]) & 0x3fff;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{guard::fork, skip, wait};

    #[test]
    fn a_process_that_ends_is_heard_of() {
        if !skip::is_root() {
            return skip::missing("a_process_that_ends_is_heard_of", "root to listen to taskstats");
        }
        let Ok(exits) = Exits::listen() else {
            return skip::unsupported("a_process_that_ends_is_heard_of", "no taskstats");
        };
        let child = fork(None, || {}).unwrap();
        let pid = child.0 as u32;
        child.ended();
        wait::until("the process's last books", || exits.take().unwrap().iter().find(|exit| exit.pid == pid).copied());
    }
}
