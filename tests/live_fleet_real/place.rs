//! A server on the bridge of a network, and agents behind it.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf, sync::Arc};

use kpulse::{
    report::wire,
    site::model::NodeDetail,
    store::{Limits, Resolution, Store},
};
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use tests::{
    agent::{Agent, command},
    exposition::Scrape,
    fleet::{Answer, Authority, Client, Server, token, write_certificates_of},
    network::Network,
    scratch::Scratch,
    skip,
};

/// What the server does sooner than it would for a real fleet.
const SOON: [&str; 4] = ["--judge-interval=1s", "--judge-window=6s", "--index-learn-time=5s", "--nodes-down-after=20s"];

/// The server, and what agents need to reach it. Dropped in this order.
pub struct Place {
    server: Option<Server>,
    arguments: Vec<String>,
    /// By node, made before the server begins: it takes up later ones within a second only.
    tokens: BTreeMap<String, String>,
    reader: String,
    address: SocketAddr,
    /// Whom readers believe.
    pub tls: Arc<ClientConfig>,
    pub authority: Authority,
    pub network: Network,
    pub scratch: Scratch,
}

impl Place {
    /// With a machine for each of `nodes`; `others` have none. Nothing if the kernel has no such networks, and then `test`
    /// has said so.
    pub fn make(test: &str, nodes: &[&str], others: &[&str], more: &[String]) -> Option<Self> {
        let network = match Network::make(nodes.len() as u8) {
            Ok(network) => network,
            Err(why) => {
                skip::unsupported(test, &why);
                return None;
            }
        };
        let (scratch, authority) = (Scratch::new(), Authority::new());
        let gate = network.gate().to_string();
        let mut arguments = write_certificates_of(scratch.path(), &authority, &gate);
        arguments.extend(SOON.map(ToOwned::to_owned));
        arguments.extend(more.iter().cloned());
        scratch.file("ca.pem", authority.pem());
        let clients = scratch.file("clients.pem", authority.pem());
        arguments.push(format!("--tls-client-ca-file={}", clients.display()));
        let state = scratch.path().join("state");
        let reader = token(&state, "--reader", "test");
        let all = nodes.iter().chain(others);
        let tokens = all.map(|&node| (node.to_owned(), token(&state, "--node", node))).collect();
        let tls = authority.client(None);
        let address = SocketAddr::from((network.gate(), 0));
        let mut place = Self { server: None, arguments, tokens, reader, address, tls, authority, network, scratch };
        place.start();
        Some(place)
    }

    /// Starts the server, after the first time where it was.
    pub fn start(&mut self) {
        let mut arguments = self.arguments.clone();
        arguments.extend(["--listen".into(), self.address.to_string()]);
        let server = Server::start(&self.scratch.path().join("state"), &arguments);
        self.address = server.address;
        self.server = Some(server);
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Ends the server as an operator does.
    pub fn end(&mut self) {
        let server = self.server.take().unwrap();
        let log = server.log();
        assert!(server.end(libc::SIGTERM).success(), "{log}");
    }

    /// An agent on a machine, which tells the server as `node` of one device; `more` are stronger than ours.
    pub fn agent(&self, machine: usize, node: &str, device: &str, more: &[String]) -> Agent {
        let machine = &self.network.machines[machine];
        let path = |name: &str| self.scratch.path().join(name).display().to_string();
        let mut command = command(["agent", "--interval=1s", "--server-interval=1s"]);
        command.arg(format!("--listen={}:0", machine.address));
        command.arg(format!("--server-url=https://{}", self.address));
        command.args([format!("--server-name={node}"), format!("--server-ca-file={}", path("ca.pem"))]);
        if !more.iter().any(|flag| flag.starts_with("--server-cert-file")) {
            let token = self.scratch.file(&format!("{node}.token"), &self.tokens[node]);
            command.arg(format!("--server-token-file={}", token.display()));
        }
        if !more.iter().any(|flag| flag.starts_with("--state-dir")) {
            command.arg(format!("--state-dir={}", path(node)));
        }
        command.arg(format!("--host-devices={device}")).args(more);
        Agent::start_command({
            machine.enter(&mut command);
            command
        })
    }

    /// A connection of a node that does not exist.
    pub fn client(&self, node: &str) -> Client {
        self.connect(&self.tokens[node])
    }

    fn connect(&self, token: &str) -> Client {
        Client::connect(self.address, Some(&self.tls), Some(token)).unwrap()
    }

    /// What a reader is answered.
    pub fn answer(&self, path: &str) -> Answer {
        self.connect(&self.reader).request("GET", path, &[], &[]).unwrap()
    }

    /// A page, as it is.
    pub fn page(&self, path: &str) -> String {
        let answer = self.answer(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    /// What the API says.
    pub fn api<T: DeserializeOwned>(&self, path: &str) -> T {
        serde_json::from_str(&self.page(path)).unwrap()
    }

    pub fn scrape(&self) -> Scrape {
        Scrape::parse(&self.page("/metrics"))
    }

    /// A node in full; nothing while the server does not know it.
    pub fn node(&self, node: &str) -> Option<NodeDetail> {
        let answer = self.answer(&format!("/api/v1/nodes/{node}"));
        (answer.status == 200).then(|| serde_json::from_slice(&answer.body).unwrap())
    }

    /// The reports of a node that the server has, by the end of their intervals. It must have ended.
    pub fn stored(&self, node: &str) -> Vec<wire::Report> {
        assert!(self.server.is_none());
        let store = Store::open(&self.scratch.path().join("state/store"), Limits::default()).unwrap();
        let (reader, mut from, mut all) = (store.reader(), 0, Vec::new());
        loop {
            let page = reader.reports(node, Resolution::Full, from, u64::MAX, 1000).unwrap();
            all.extend(page.items.iter().map(|stored| stored.decode().unwrap()));
            match page.next {
                Some(next) => from = next,
                None => return all,
            }
        }
    }

    /// What waits on disk in the state directory of a node's agent.
    pub fn spool(&self, node: &str) -> Spooled {
        Spooled { folder: self.scratch.path().join(node).join("reports"), bytes: 0, grown: 0 }
    }
}

/// The spool of an agent, watched from outside: also while nothing reaches the agent itself.
pub struct Spooled {
    folder: PathBuf,
    bytes: u64,
    grown: u64,
}

impl Spooled {
    /// How often it has grown since it was first looked at: not more often than reports were written, for the first time may
    /// be the head of a file.
    pub fn grown(&mut self) -> u64 {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let spools = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "spool"));
        let bytes = spools.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
        self.grown += u64::from(bytes > self.bytes);
        self.bytes = bytes;
        self.grown.saturating_sub(2)
    }
}

/// Where each life of an agent begins in what is stored, and that each counted its reports from 1, none missing, none twice.
pub fn lives(stored: &[wire::Report]) -> Vec<usize> {
    let mut lives = Vec::<usize>::new();
    for report in stored {
        if report.sequence == 1 {
            lives.push(0);
        }
        let length = lives.last_mut().unwrap_or_else(|| panic!("the first is {}", report.sequence));
        *length += 1;
        let sequences: Vec<_> = stored.iter().map(|report| report.sequence).collect();
        assert_eq!(report.sequence, *length as u64, "{sequences:?}");
    }
    lives
}

/// A report of the second that ends now, of a node with nothing but a disk made of a file: reads of 256 KiB, each of `mean_us`.
pub fn report(sequence: u64, mean_us: u64) -> wire::Report {
    let mut report = tests::fleet::report(sequence, mean_us);
    // Waits for a CPU are all real ones here.
    report.sched = None;
    for device in report.block.iter_mut().flat_map(|block| &mut block.devices) {
        device.name = "loop0".into();
        device.class = wire::Class::Stacked.into();
        device.operations.iter_mut().flat_map(|of| &mut of.sizes).for_each(|of| of.size = 4);
    }
    report
}
