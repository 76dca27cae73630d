//! A tunnel beside a plain TCP relay, in one run: throughput, echo, new connections under load,
//! CPU time and memory.
//!
//! `cargo bench --bench forward [-- MIB]` prints a table in Markdown; nothing is asserted. Everything runs on
//! this machine's loopback: the program that sends, the tunnel, the embedded endpoint and the
//! server share its cores.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use traffic::{at, connect, download, echoes, serve, sorted, upload};

mod traffic;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if let [word, port] = &arguments[..]
        && word == "relay"
    {
        return relay(port.parse().expect("a port"));
    }
    let mib = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(1024);
    let server = serve();

    println!("{mib} MiB each way; medians; CPU and memory are of the named processes alone\n");
    println!("| {:<32} | plain relay | -t local | client alone |", "");
    println!("|{:-<34}|------------:|---------:|-------------:|", "");
    let plain = measure(&Path::plain(server), mib);
    let local = measure(&Path::embedded(server), mib);
    let client = Path::client_alone(server).map(|path| measure(&path, mib));
    let row = |name: &str, value: fn(&Figures) -> f64, digits: usize| {
        let client = client.as_ref().map_or("-".to_owned(), |f| format!("{:.digits$}", value(f)));
        let (plain, local) = (value(&plain), value(&local));
        println!("| {name:<32} | {plain:>11.digits$} | {local:>8.digits$} | {client:>12} |");
    };
    row("upload, one stream, MB/s", |f| f.upload, 0);
    row("download, one stream, MB/s", |f| f.download, 0);
    row("upload, 50 streams, MB/s", |f| f.parallel, 0);
    row("echo of one byte, us", |f| f.echo_us, 0);
    row("echo of one byte, 99 %, us", |f| f.echo_p99_us, 0);
    row("new connection, ms", |f| f.connect_ms, 2);
    row("new connection under upload, ms", |f| f.connect_loaded_ms, 2);
    row("the same, 99 %, ms", |f| f.connect_loaded_p99_ms, 2);
    row("CPU seconds per GB up", |f| f.cpu_up, 2);
    row("CPU seconds per GB down", |f| f.cpu_down, 2);
    row("peak memory, MiB", |f| f.memory_mib, 1);
    println!("\nclient alone: the endpoint runs in a process of its own, which is not counted.");
}

struct Figures {
    upload: f64,
    download: f64,
    parallel: f64,
    echo_us: f64,
    echo_p99_us: f64,
    connect_ms: f64,
    connect_loaded_ms: f64,
    connect_loaded_p99_ms: f64,
    cpu_up: f64,
    cpu_down: f64,
    memory_mib: f64,
}

fn measure(path: &Path, mib: u64) -> Figures {
    let bytes = mib << 20;
    upload(path.entry, 16 << 20);
    let (up, cpu_up) = path.timed(|| upload(path.entry, bytes));
    let (down, cpu_down) = path.timed(|| download(path.entry, bytes));
    let (parallel, _) = path.timed(|| {
        let entry = path.entry;
        let all: Vec<_> =
            (0..50).map(|_| thread::spawn(move || upload(entry, bytes / 50))).collect();
        all.into_iter().for_each(|one| one.join().expect("uploaded"));
    });
    let echoes = echoes(path.entry, 3000);
    let connects = connects(path.entry, 300);
    let loaded = {
        let entry = path.entry;
        let upload = thread::spawn(move || upload(entry, bytes));
        thread::sleep(Duration::from_millis(200));
        let mut times = Vec::new();
        while !upload.is_finished() && times.len() < 300 {
            times.extend(connects_once(entry));
        }
        upload.join().expect("uploaded");
        sorted(times)
    };
    let rate = |took: Duration| bytes as f64 / 1e6 / took.as_secs_f64();
    let per_gb = |cpu: Duration| cpu.as_secs_f64() / (bytes as f64 / 1e9);
    Figures {
        upload: rate(up),
        download: rate(down),
        parallel: rate(parallel),
        echo_us: at(&echoes, 50).as_secs_f64() * 1e6,
        echo_p99_us: at(&echoes, 99).as_secs_f64() * 1e6,
        connect_ms: at(&connects, 50).as_secs_f64() * 1e3,
        connect_loaded_ms: at(&loaded, 50).as_secs_f64() * 1e3,
        connect_loaded_p99_ms: at(&loaded, 99).as_secs_f64() * 1e3,
        cpu_up: per_gb(cpu_up),
        cpu_down: per_gb(cpu_down),
        memory_mib: path.peak_memory_mib(),
    }
}

/// A way to the server, and the process whose work it is.
struct Path {
    entry: SocketAddr,
    processes: Vec<Child>,
}

impl Path {
    fn plain(server: SocketAddr) -> Self {
        let this = env::current_exe().expect("this program's path");
        let (child, line) = start(Command::new(this).args(["relay", &server.port().to_string()]));
        Self { entry: loopback(line.trim().parse().expect("a port")), processes: vec![child] }
    }

    fn embedded(server: SocketAddr) -> Self {
        Self::forward(server, &["-t", "local"], Vec::new())
    }

    fn client_alone(server: SocketAddr) -> Option<Self> {
        if !cfg!(feature = "aws") {
            return None;
        }
        let (endpoint, line) = start(ssmport().args(["local", "--json"]));
        let url = field(&line, "\"url\":\"", '"');
        let target = ["-t", "i-0123456789abcdef0", "--endpoint-url", url.as_str()];
        Some(Self::forward(server, &target, vec![endpoint]))
    }

    fn forward(server: SocketAddr, target: &[&str], mut others: Vec<Child>) -> Self {
        let spec = format!("0:{}", server.port());
        let (child, line) = start(ssmport().args(["forward", &spec, "--json"]).args(target));
        let port = field(&line, "\"port\":", ',').parse().expect("a port");
        others.insert(0, child);
        Self { entry: loopback(port), processes: others }
    }

    fn timed(&self, work: impl FnOnce()) -> (Duration, Duration) {
        let (begin, cpu) = (Instant::now(), self.cpu());
        work();
        (begin.elapsed(), self.cpu().saturating_sub(cpu))
    }

    /// User and system time of the measured process, in ticks of 10 ms.
    fn cpu(&self) -> Duration {
        let stat = self.proc_file("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    fn peak_memory_mib(&self) -> f64 {
        let status = self.proc_file("status");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1024.0
    }

    fn proc_file(&self, name: &str) -> String {
        let process = self.processes.first().map_or(0, Child::id);
        fs::read_to_string(format!("/proc/{process}/{name}")).unwrap_or_default()
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn ssmport() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ssmport"));
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command.env("AWS_REGION", "eu-west-1").args(["--quiet"]);
    command
}

/// Starts a child and waits for its first line.
fn start(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    (child, line)
}

fn field(json: &str, before: &str, end: char) -> String {
    let rest = json.split(before).nth(1).unwrap_or_default();
    rest.split(end).next().unwrap_or_default().to_owned()
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn connects(address: SocketAddr, count: usize) -> Vec<Duration> {
    sorted((0..count).filter_map(|_| connects_once(address)).collect())
}

/// From connect to the first byte of the answer.
fn connects_once(address: SocketAddr) -> Option<Duration> {
    let begin = Instant::now();
    let mut socket = connect(address, b'd', 1).ok()?;
    socket.read_exact(&mut [0]).ok()?;
    Some(begin.elapsed())
}

/// What the tunnel is measured against: the least that a relay on the same runtime has to do.
fn relay(server: u16) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let relayed: io::Result<()> = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (mut inside, _) = listener.accept().await?;
            inside.set_nodelay(true)?;
            tokio::spawn(async move {
                let mut outside = tokio::net::TcpStream::connect(("127.0.0.1", server)).await?;
                outside.set_nodelay(true)?;
                tokio::io::copy_bidirectional(&mut inside, &mut outside).await
            });
        }
    });
    relayed.expect("relaying");
}
