use kpulse::{kernel::load, probes};
fn mono() -> u64 {
    let mut t: libc::timespec = unsafe { std::mem::zeroed() };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
fn main() {
    let t = std::time::Instant::now();
    let mut l = load::load(&load::Options {
        btf: None,
        probes: probes::PROBES.iter().map(|p| p.name).collect(),
        slow_request_ns: 100_000,
        long_wait_ns: 10_000_000,
        events_per_second: 32,
    });
    println!("{:?} {:?}", t.elapsed(), l.states);
    println!("maps {}", l.map_bytes());
    let mut sr = probes::sched::reader::Reader::default();
    let mut br = probes::block::reader::Reader::default();
    for i in 0..std::env::args().nth(1).map_or(3, |n| n.parse().unwrap()) {
        std::thread::sleep(std::time::Duration::from_secs(1));
        let t = std::time::Instant::now();
        if let Some(m) = &mut l.sched {
            let r = sr.read(m, &[0, 1], mono).unwrap();
            for (n, c) in &r.sched.cpus {
                println!(
                    "cpu{n} busy {} idle {} sw {:?} waits {} mig {} disc {:?} long {}",
                    c.busy_ns,
                    c.idle_ns,
                    c.switches,
                    c.wait.count(),
                    c.migrated,
                    c.discards,
                    c.long_waits
                );
            }
            println!("{:?} lost {} {:?}", r.waited, r.waits_lost, r.clock_offset_ns);
        }
        println!("sched {:?}", t.elapsed());
        let t = std::time::Instant::now();
        if let Some(m) = &mut l.block {
            let r = br.read(m, &Default::default(), mono()).unwrap();
            for q in &r.requests {
                println!(
                    "{:?} op{} {:?} err {:?} q {} d {} t {}",
                    q.device,
                    q.operation,
                    q.classes.iter().map(|c| (c.requests, c.bytes, c.timed)).collect::<Vec<_>>(),
                    q.errors,
                    q.queue.count(),
                    q.device_time.count(),
                    q.total.count()
                );
            }
            println!("{:?} {:?}", r.in_flight, r.discards);
        }
        println!("block {:?}", t.elapsed());
        let t = std::time::Instant::now();
        if let Some(m) = &mut l.tasks {
            let r = probes::tasks::reader::read(m, None).unwrap();
            println!("tasks {} in {:?}", r.len(), t.elapsed());
            let me = std::process::id();
            println!("{:?}", r.iter().find(|t| t.pid == me));
        }
        if let Some(m) = &mut l.events {
            println!("{:?}", probes::events::reader::read(m).unwrap());
        }
    }
    for p in l.program_stats() {
        println!("{p:?} {:.0} ns", p.run_time_ns as f64 / p.runs.max(1) as f64);
    }
}
