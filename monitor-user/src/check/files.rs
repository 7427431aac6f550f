//! Whether /proc and /sys can be read, part by part, and whether the agent finds its address free.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use super::{machine::Machine, report::Requirement};

/// What the host's reader could not read, and what hides processes.
pub fn requirements(machine: &Machine<'_>) -> Vec<Requirement> {
    let failures = machine.host.failures.iter().map(|(part, why)| failure(part, why));
    let mut requirements: Vec<_> = failures.collect();
    if requirements.is_empty() {
        let found = format!("all is read ({} and {})", machine.roots.proc.display(), machine.roots.sys.display());
        requirements.push(Requirement::ok("/proc and /sys", found));
    }
    requirements.push(hidden(machine));
    requirements
}

fn failure(part: &str, why: &str) -> Requirement {
    let why = why.split(" (os error").next().unwrap_or(why);
    if part.starts_with("filesystem ") {
        return Requirement::degraded(
            part,
            why,
            "how full it is; nothing else waits for it",
            "see whether its server or device answers, or unmount it",
        );
    }
    let remedy = match () {
        _ if why.contains("Permission denied") => "run as root, or let this user read it",
        _ if why.contains("No such file") => {
            "mount proc and sysfs whole (proc without subset=pid), or set host.proc and host.sys"
        }
        _ => "look at the file: if it is right, report it with `kpulse check --json`",
    };
    let lost = if part == "stat" { "CPU modes and context switches".into() } else { part.replace('_', " ") };
    Requirement::missing(part, why, format!("{lost} of this node"), remedy)
}

/// `hidepid` hides other users' processes. kpulse reads its own, and process 1's if the host is found below another root.
fn hidden(machine: &Machine<'_>) -> Requirement {
    let name = "processes in /proc";
    let mounts = machine.proc("self/mounts").unwrap_or_default();
    let options = mounts.lines().rev().find_map(|line| {
        let mut words = line.split_whitespace();
        let (_, mount, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "proc" && Path::new(mount) == machine.roots.proc).then(|| words.next()).flatten()
    });
    let hidepid = options.and_then(|options| options.split(',').find(|option| option.starts_with("hidepid=")));
    match hidepid {
        None | Some("hidepid=0" | "hidepid=off") => Requirement::ok(name, "not hidden"),
        Some(hidepid) if machine.roots.root == Path::new("/") => {
            Requirement::ok(name, format!("hidden ({hidepid}), but kpulse reads only its own"))
        }
        Some(hidepid) if machine.proc("1/mountinfo").is_ok() => {
            Requirement::ok(name, format!("hidden ({hidepid}), but not from this user"))
        }
        Some(hidepid) => Requirement::degraded(
            name,
            format!("hidden ({hidepid})"),
            "the host's filesystems, which process 1 shows",
            "run as root or with CAP_SYS_PTRACE, or mount proc with gid= of a group of this user",
        ),
    }
}

/// Who has the agent's address.
pub fn address(listen: SocketAddr) -> Requirement {
    let name = "address";
    match TcpListener::bind(listen) {
        Ok(_) => Requirement::ok(name, format!("{listen} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match is_kpulse(listen) {
            true => Requirement::ok(name, format!("{listen}: an agent runs there already")),
            false => Requirement::degraded(
                name,
                format!("{listen} is in use, and not by an agent that answers"),
                "the agent: it does not start where it cannot listen",
                format!("`ss -ltnp 'sport = {}'` says by whom; or give another one with --listen", listen.port()),
            ),
        },
        Err(error) => Requirement::missing(
            name,
            format!("{listen}: {error}"),
            "the agent: it does not start where it cannot listen",
            "give an address of this machine and a port beyond 1023 with --listen",
        ),
    }
}

/// How long whoever listens may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

fn is_kpulse(address: SocketAddr) -> bool {
    let page = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut page = Vec::new();
        // The title is at the beginning; whoever sends without end is not waited for.
        let _ = stream.take(4096).read_to_end(&mut page);
        Ok(String::from_utf8_lossy(&page).into_owned())
    };
    page().is_ok_and(|page| page.contains("<title>kpulse"))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::check::report::Mark;

    /// Answers one client with `page`.
    fn serve(page: &'static str) -> (SocketAddr, thread::JoinHandle<()>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0; 18];
            client.read_exact(&mut request).unwrap();
            client.write_all(page.as_bytes()).unwrap();
        });
        (address, server)
    }

    #[test]
    fn an_address_in_use_is_fine_if_an_agent_has_it_and_else_not() {
        for (page, mark) in [
            ("HTTP/1.0 200 OK\r\n\r\n<title>kpulse: node</title>", Mark::Ok),
            ("HTTP/1.0 404 Not Found\r\n\r\n", Mark::Degraded),
        ] {
            let (address, server) = serve(page);
            assert_eq!(super::address(address).mark, mark, "{page}");
            server.join().unwrap();
        }
    }

    #[test]
    fn an_address_of_another_machine_keeps_the_agent_from_starting() {
        // TEST-NET-1 is nobody's.
        assert_eq!(address(SocketAddr::from(([192, 0, 2, 1], 9466))).mark, Mark::Missing);
    }
}
