//! Network namespaces of one's own: machines that share a kernel and nothing of their networks, tied to one bridge.
//!
//! ip(8) makes them. Everything is gone when it is dropped.

use std::{
    net::Ipv4Addr,
    os::unix::process::CommandExt as _,
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::loop_device::run;

/// A bridge with an address on the test's own side, and namespaces that reach it.
pub struct Network {
    bridge: String,
    subnet: [u8; 3],
    /// In the order in which they were made.
    pub machines: Vec<Machine>,
}

/// One namespace.
pub struct Machine {
    name: String,
    /// Its address.
    pub address: Ipv4Addr,
}

impl Network {
    /// Makes it with as many machines, at most 200.
    ///
    /// # Errors
    ///
    /// Says what the kernel does not offer.
    pub fn make(machines: u8) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Interfaces have short names, and another run of the tests may be there.
        let unique = (process::id() % 4096) * 16 + COUNT.fetch_add(1, Ordering::Relaxed) % 16;
        let [_, _, high, low] = unique.to_be_bytes();
        let bridge = format!("kpb{unique:04x}");
        let offered = Command::new("ip").args(["link", "add", &bridge, "type", "bridge"]).output();
        match offered {
            Err(error) => return Err(format!("ip cannot be run: {error}")),
            Ok(output) if !output.status.success() => return Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Ok(_) => {}
        }
        // Dropped, and with it whatever is there by then, if the rest fails.
        let mut network = Self { bridge, subnet: [10, 128 | high & 127, low], machines: Vec::new() };
        let gate = format!("{}/24", network.gate());
        run("ip", &["address", "add", &gate, "dev", &network.bridge]);
        run("ip", &["link", "set", &network.bridge, "up"]);
        for number in 0..machines {
            network.add(unique, number);
        }
        Ok(network)
    }

    /// The address of the test's own side, which every machine reaches.
    pub fn gate(&self) -> Ipv4Addr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, 1)
    }

    fn add(&mut self, unique: u32, number: u8) {
        let name = format!("kpn{unique:04x}-{number}");
        let [a, b, c] = self.subnet;
        let address = Ipv4Addr::new(a, b, c, 10 + number);
        run("ip", &["netns", "add", &name]);
        self.machines.push(Machine { name: name.clone(), address });
        let (here, there) = (format!("kpo{unique:04x}{number:02x}"), format!("kpi{unique:04x}{number:02x}"));
        run("ip", &["link", "add", &here, "type", "veth", "peer", "name", &there, "netns", &name]);
        run("ip", &["link", "set", &here, "master", &self.bridge, "up"]);
        run("ip", &["-n", &name, "address", "add", &format!("{address}/24"), "dev", &there]);
        run("ip", &["-n", &name, "link", "set", &there, "up"]);
        run("ip", &["-n", &name, "link", "set", "lo", "up"]);
    }
}

impl Machine {
    /// Has the command run on this machine's network from its first moment on; its files and processes stay those of all.
    ///
    /// # Panics
    ///
    /// If the namespace is gone.
    pub fn enter<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = format!("/run/netns/{}", self.name);
        let namespace = std::fs::File::open(&path).expect("a namespace that we made");
        // SAFETY: one system call with a descriptor that the closure owns.
        unsafe {
            command.pre_exec(move || {
                let descriptor = std::os::fd::AsRawFd::as_raw_fd(&namespace);
                match libc::setns(descriptor, libc::CLONE_NEWNET) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            })
        }
    }

    /// Cuts it off, or ties it in again.
    pub fn link(&self, up: bool) {
        let there = run("ip", &["-n", &self.name, "-o", "link", "show", "type", "veth"]);
        let interface = there.split(": ").nth(1).and_then(|name| name.split('@').next()).unwrap_or_default().to_owned();
        run("ip", &["-n", &self.name, "link", "set", &interface, if up { "up" } else { "down" }]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let quiet = |arguments: &[&str]| {
            if let Err(error) = Command::new("ip").args(arguments).output() {
                eprintln!("could not run ip {arguments:?}: {error}");
            }
        };
        // The interfaces go with their namespace.
        self.machines.iter().for_each(|machine| quiet(&["netns", "del", &machine.name]));
        quiet(&["link", "del", &self.bridge]);
    }
}
