//! What each node reports of an interval.

use super::*;

impl Story {
    pub(super) fn cpus(&self, node: &str) -> u32 {
        match node.split('-').next() {
            Some("db") => 16,
            Some("batch") => 32,
            _ => 8,
        }
    }

    /// What a node did in the interval that ends then.
    pub fn report(&self, node: &str, end_ns: u64, length_ns: u64) -> Report {
        let now = self.condition(node, end_ns);
        let seconds = length_ns as f64 / 1e9;
        let about = |purpose, number: f64| self.about(node, end_ns, purpose, number, 0.12);
        let cpus = (0..self.cpus(node)).map(|cpu| {
            // Work is not spread evenly, and moves.
            let swing = 0.35 * (end_ns as f64 / 1e9 / 130.0 + f64::from(cpu) * 1.7).sin();
            let busy =
                (self.about(node, end_ns, 100 + u64::from(cpu), now.busy + swing * now.busy, 0.25)).clamp(0.01, 1.0);
            let busy_ns = (busy * length_ns as f64) as u64;
            wire::Cpu {
                cpu,
                busy_ns,
                idle_ns: length_ns - busy_ns,
                switches: (2000.0 * busy * seconds) as u64,
                offline: false,
            }
        });
        let cpus: Vec<_> = cpus.collect();
        let switches = cpus.iter().map(|cpu| cpu.switches).sum();
        let wait = histogram(&[
            (9e-6 * now.cpu, 0.9, about(4, 9000.0) * seconds),
            (1.8e-3 * now.cpu * now.cpu, 0.8, 60.0 * seconds * now.cpu),
        ]);
        let mut devices = vec![self.device(node, "nvme0n1", wire::Class::Nvme, end_ns, seconds, (70e-6, 40e-6), &now)];
        if node.starts_with("db") || node.starts_with("batch") {
            devices.push(self.device(node, "sda", wire::Class::Ssd, end_ns, seconds, (480e-6, 420e-6), &now));
        }
        let stalled = |share: f64| (share * length_ns as f64) as u64;
        let io = ((now.disk - 1.0) * 0.08).clamp(0.002, 0.9);
        let pressure =
            [("cpu", (now.cpu - 0.9) * 0.15), ("io", io), ("memory", 0.0)].map(|(resource, share)| wire::Pressure {
                resource: resource.into(),
                some_ns: Some(stalled(share.clamp(0.0, 1.0))),
                full_ns: Some(stalled(share.clamp(0.0, 1.0) / 3.0)),
            });
        let gib = 1u64 << 30;
        let total = if node.starts_with("db") { 128 * gib } else { 32 * gib };
        let filesystem = |mount: &str, source: &str, size: u64, left: f64| wire::Filesystem {
            mount: mount.into(),
            source: source.into(),
            kind: "xfs".into(),
            size: size * gib,
            free: (left * (size * gib) as f64) as u64,
            available: (left * (size * gib) as f64) as u64,
            files: 1 << 24,
            files_free: 1 << 23,
            ..wire::Filesystem::default()
        };
        let ill = now.disk > 1.6 || now.cpu > 1.5;
        Report {
            sequence: end_ns / INTERVAL % 100_000,
            end_ns,
            length_ns,
            sched: Some(wire::Sched { cpus, wait, switches, preemptions: switches / 5, ..wire::Sched::default() }),
            block: Some(wire::Block { devices, ..wire::Block::default() }),
            host: Some(wire::Host {
                cpu_modes_ns: Vec::new(),
                pressure: pressure.to_vec(),
                memory: Some(wire::Memory {
                    total,
                    free: total / 10,
                    available: (about(6, 0.55) * total as f64) as u64,
                    ..wire::Memory::default()
                }),
                load: vec![now.busy * f64::from(self.cpus(node)), 2.1, 1.9],
                filesystems: vec![
                    filesystem("/", "/dev/nvme0n1p2", 100, 0.4),
                    filesystem("/var/lib/data", "/dev/sda", 900, 0.18),
                ],
                networks: vec![wire::Network {
                    name: "eth0".into(),
                    receive_bytes: (about(7, 3e6) * seconds) as u64,
                    transmit_bytes: (about(8, 9e6) * seconds) as u64,
                    receive_packets: 4000,
                    transmit_packets: 9000,
                    faults: 0,
                }],
                uptime_ns: 41 * 24 * HOUR + end_ns.saturating_sub(self.backup_ns),
            }),
            tasks: ill.then(|| self.tasks(node, end_ns, seconds, &now)),
            events: (0..3)
                .map(|kind| wire::Events {
                    kind,
                    seen: u64::from(kind == 1 && now.disk > 8.0 && self.share(node, end_ns, 9) > 0.7),
                    dropped: 0,
                })
                .collect(),
            own: Some(wire::Own {
                cpu_ns: Some((0.0021 * length_ns as f64) as u64),
                resident_bytes: Some(19 << 20),
                map_bytes: Some(3 << 20),
                agreement: vec![wire::Agreement { figure: "run_delay".into(), ratio: 0.9998 }],
                ..wire::Own::default()
            }),
            alerts: Vec::new(),
            metadata: None,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a device is all of these")]
    pub(super) fn device(
        &self,
        node: &str,
        name: &str,
        class: wire::Class,
        end_ns: u64,
        seconds: f64,
        usual: (f64, f64),
        now: &Condition,
    ) -> wire::Device {
        let hit = name == "sda" && (node == SLOW || node == "db-05");
        let slow = if hit { now.disk } else { 1.0 + (now.disk - 1.0).min(0.1) };
        let operations =
            [(0u32, usual.0, 220.0, 16_384.0), (1, usual.1, if hit { 160.0 + 60.0 * slow } else { 160.0 }, 65_536.0)];
        let operations = operations.map(|(operation, mean, rate, bytes)| {
            let rate = self.about(node, end_ns, 20 + u64::from(operation), rate, 0.15) * seconds;
            let (queue, device) = (mean * (slow * slow.sqrt() - 0.9).max(0.05) * 0.5, mean * (0.9 + 0.1 * slow));
            let total = histogram(&[(queue + device, 0.55, rate * 0.97), ((queue + device) * 9.0, 0.6, rate * 0.03)]);
            let (n, sum_ns) = total.as_ref().map_or((0, 0), |times| (times.counts.iter().sum::<u64>(), times.sum_ns));
            let queue_ns = (sum_ns as f64 * queue / (queue + device)) as u64;
            let part = |share: f64| {
                histogram(&[
                    ((queue + device) * share, 0.55, rate * 0.97),
                    ((queue + device) * share * 9.0, 0.6, rate * 0.03),
                ])
            };
            wire::Operation {
                operation,
                sizes: vec![wire::Size {
                    size: 3,
                    requests: n,
                    bytes: (n as f64 * bytes) as u64,
                    timed: n,
                    queue_ns,
                    device_ns: sum_ns - queue_ns,
                }],
                queue: part(queue / (queue + device)),
                device: part(device / (queue + device)),
                total,
                errors: Vec::new(),
            }
        });
        let number = if name == "sda" { 8 << 20 } else { 259 << 20 };
        let in_flight = if hit { (4.0 * slow) as u64 } else { 1 };
        let oldest_ns = if hit { (0.03 * slow * 1e9) as u64 } else { 900_000 };
        wire::Device {
            name: name.into(),
            number,
            class: class as i32,
            source: wire::Source::Requests as i32,
            in_flight,
            oldest_ns,
            operations: operations.to_vec(),
        }
    }

    pub(super) fn tasks(&self, node: &str, end_ns: u64, seconds: f64, now: &Condition) -> wire::Tasks {
        let mib = |n: f64| (n * 1048576.0 * seconds) as u64;
        let used = |cpu: f64, wait: f64, read: f64, write: f64| wire::Use {
            cpu_ns: (self.about(node, end_ns, 40, cpu, 0.1) * seconds * 1e9) as u64,
            wait_ns: (wait * seconds * 1e9) as u64,
            read_bytes: mib(read),
            write_bytes: mib(write),
            switches: 100,
        };
        let all: Vec<(u32, &str, &str, wire::Use)> = match node {
            NOISY => vec![
                (911, "ffmpeg", "/user.slice/user-1000.slice/render.scope", used(3.6 * now.busy, 0.4, 2.0, 8.0)),
                (410, "nginx", "/system.slice/nginx.service", used(1.1, 2.3 * now.cpu, 0.1, 0.4)),
                (415, "php-fpm", "/system.slice/php-fpm.service", used(0.9, 1.9 * now.cpu, 0.2, 0.1)),
            ],
            _ => vec![
                (4242, "restic", "/system.slice/backup.service", used(0.7, 0.1, 190.0, 4.0)),
                (1310, "postgres", "/system.slice/postgresql.service", used(2.2, 0.3, 9.0, 22.0)),
                (1311, "postgres", "/system.slice/postgresql.service", used(1.4, 0.2, 6.0, 3.0)),
            ],
        };
        let sum = all.iter().fold(wire::Use::default(), |sum, (.., of)| wire::Use {
            cpu_ns: sum.cpu_ns + of.cpu_ns,
            wait_ns: sum.wait_ns + of.wait_ns,
            read_bytes: sum.read_bytes + of.read_bytes,
            write_bytes: sum.write_bytes + of.write_bytes,
            switches: sum.switches + of.switches,
        });
        let top = all.iter().map(|(pid, comm, cgroup, of)| wire::TaskUse {
            pid: *pid,
            tgid: *pid,
            comm: (*comm).into(),
            cgroup: (*cgroup).into(),
            kernel: false,
            used: Some(*of),
            cgroup_number: u64::from(*pid),
        });
        let cgroups = all.iter().map(|(pid, _, cgroup, of)| wire::CgroupUse {
            path: (*cgroup).into(),
            tasks: 1,
            used: Some(*of),
            number: u64::from(*pid),
        });
        wire::Tasks {
            count: 312,
            top: top.collect(),
            total: Some(sum),
            ended_cpu_ns: Some(10_000_000),
            ended_wait_ns: Some(1_000_000),
            cgroups: cgroups.collect(),
            active_cgroups: 3,
            kernel: None,
            resets: 0,
        }
    }
}

/// Log-normal times: each with its median in seconds, its spread, and how many there are.
fn histogram(parts: &[(f64, f64, f64)]) -> Option<wire::Histogram> {
    let mut out = wire::Histogram::default();
    let mut before = 0;
    let middle = |bucket: usize| (BOUNDS[bucket - 1] as f64 * BOUNDS[bucket] as f64).sqrt() / 1e9;
    for bucket in 1..BUCKETS - 1 {
        let of = |&(median, spread, n): &(f64, f64, f64)| {
            let z = (middle(bucket) / median).ln() / spread;
            // A bucket is an eighth of a power of two wide.
            n * (-z * z / 2.0).exp() * (std::f64::consts::LN_2 / 8.0) / (spread * std::f64::consts::TAU.sqrt())
        };
        let n = parts.iter().map(of).sum::<f64>().round() as u64;
        if n > 0 {
            out.gaps.push((bucket - before) as u32);
            out.counts.push(n);
            out.sum_ns += (n as f64 * middle(bucket) * 1e9) as u64;
            before = bucket;
        }
    }
    (!out.counts.is_empty()).then_some(out)
}
