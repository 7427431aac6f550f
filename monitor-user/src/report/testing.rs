//! Reports for tests: one with something in every field, as bytes of version 1 keep it.

use super::wire::*;

/// Every field that version 1 has, none of them 0.
pub(crate) fn whole() -> Batch {
    let times = |sum_ns| Some(Histogram { sum_ns, gaps: vec![100, 1, 7], counts: vec![3, 1, 2] });
    let used = Some(Use { cpu_ns: 1, wait_ns: 2, read_bytes: 3, write_bytes: 4, switches: 5 });
    let report = Report {
        sequence: 7,
        end_ns: 1_700_000_000_000_000_000,
        length_ns: 10_000_000_000,
        sched: Some(Sched {
            cpus: vec![
                Cpu { cpu: 1, busy_ns: 4_000_000_000, idle_ns: 6_000_000_000, switches: 9, offline: false },
                Cpu { cpu: 2, busy_ns: 1_000_000_000, idle_ns: 1_000_000_000, switches: 3, offline: true },
            ],
            wait: times(12_345),
            switches: 12,
            preemptions: 4,
            discards: 1,
            ..Sched::default()
        }),
        block: Some(Block {
            devices: vec![Device {
                name: "nvme0n1".into(),
                number: 259 << 20 | 3,
                class: Class::Nvme.into(),
                source: Source::Diskstats.into(),
                in_flight: 2,
                oldest_ns: 3_000,
                operations: vec![Operation {
                    operation: 1,
                    sizes: vec![Size {
                        size: 2,
                        requests: 6,
                        bytes: 98_304,
                        timed: 6,
                        queue_ns: 600,
                        device_ns: 9_000,
                    }],
                    queue: times(600),
                    device: times(9_000),
                    total: times(9_600),
                    errors: vec![Errors { error: 3, count: 2 }],
                }],
            }],
            discards: 5,
            resets: 1,
            ..Block::default()
        }),
        host: Some(Host {
            cpu_modes_ns: vec![1, 2, 3, 4, 5, 6, 7, 8],
            pressure: vec![Pressure { resource: "io".into(), some_ns: Some(20), full_ns: Some(10) }],
            memory: Some(Memory {
                total: 9,
                free: 1,
                available: 2,
                buffers: 3,
                cached: 4,
                dirty: 5,
                writeback: 6,
                swap_total: 8,
                swap_free: 7,
            }),
            load: vec![0.5, 0.25, 0.125],
            filesystems: vec![Filesystem {
                mount: "/".into(),
                source: "/dev/nvme0n1p2".into(),
                kind: "ext4".into(),
                read_only: true,
                size: 100,
                free: 50,
                available: 40,
                files: 30,
                files_free: 20,
                silent: true,
            }],
            networks: vec![Network {
                name: "eth0".into(),
                receive_bytes: 1,
                transmit_bytes: 2,
                receive_packets: 3,
                transmit_packets: 4,
                faults: 5,
            }],
            uptime_ns: 77_000_000_000,
        }),
        tasks: Some(Tasks {
            count: 150,
            top: vec![TaskUse {
                pid: 31,
                tgid: 30,
                comm: "fio".into(),
                cgroup: "/batch.slice".into(),
                kernel: true,
                used,
                cgroup_number: 991,
            }],
            total: used,
            ended_cpu_ns: Some(6),
            ended_wait_ns: Some(7),
            cgroups: vec![CgroupUse { path: "/batch.slice".into(), tasks: 2, used, number: 991 }],
            active_cgroups: 3,
            kernel: used,
            resets: 1,
        }),
        events: vec![Events { kind: 2, seen: 3, dropped: 1 }],
        own: Some(Own {
            cpu_ns: Some(40_000_000),
            programs_ns: Some(9_000_000),
            resident_bytes: Some(12 << 20),
            map_bytes: Some(2 << 20),
            collections_failed: 1,
            agreement: vec![Agreement { figure: "switches".into(), ratio: 0.999 }],
            probes: vec![Probe { probe: "block".into(), reason: "no field".into(), off: true }],
            ..Own::default()
        }),
        alerts: vec![ActiveAlert {
            id: "00c0ffee00c0ffee".into(),
            rule: "BlockSlow".into(),
            severity: 1,
            firing: true,
            since_ns: 1_699_999_000_000_000_000,
            summary: "block requests take 3 times as long as usual".into(),
        }],
        metadata: Some(Metadata {
            kernel: "6.18.0".into(),
            cpus: 2,
            memory_bytes: 4 << 30,
            agent_version: "0.1.0".into(),
            interval_ns: 10_000_000_000,
            url: "http://node-7:9435/".into(),
        }),
    };
    Batch {
        version: 1,
        sender: Some(Sender {
            node: "node-7".into(),
            machine: vec![1, 2, 3, 4],
            boot_id: "0f3c9a52-2f6d-4a86-9a55-6f2a4a7f9a11".into(),
            instance: 1_699_990_000_000_000_000,
            agent_version: "0.1.0".into(),
        }),
        reports: vec![report],
        lost: Some(Lost { reports: 4, bytes: 4_000 }),
        sent_ns: 1_700_000_000_500_000_000,
        waiting: 11,
    }
}
