//! Where other people's programs are, and ports for them.

use std::{
    env, fs, iter,
    net::{IpAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
};

/// The program of this name, or a failed test that says how to get it.
pub fn find_tool(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    // An ordinary user's PATH leaves the servers out.
    let servers = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let mut folders = env::split_paths(&path).chain(servers);
    let found = folders.find_map(|folder| executable(&folder.join(name)));
    found.unwrap_or_else(|| missing(name))
}

/// A server's program of PostgreSQL: Debian keeps them off the PATH, one folder a version.
pub fn find_postgres_tool(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        Some((number, executable(&version.path().join("bin").join(name))?))
    });
    newest.max().map_or_else(|| find_tool(name), |(_, path)| path)
}

/// Whether a program is to be done without, which SSMPORT_TEST_WITHOUT says where the distribution has no
/// package of it.
#[cfg(feature = "aws")]
pub fn without(name: &str) -> bool {
    let names = env::var("SSMPORT_TEST_WITHOUT").unwrap_or_default();
    let is_without = names.split(' ').any(|other| other == name);
    if is_without {
        eprintln!("SSMPORT_TEST_WITHOUT names {name}: it is not tried");
    }
    is_without
}

/// Fails the test for want of a program.
pub fn missing(name: &str) -> ! {
    panic!("{name} is missing; scripts/test installs what the tests need")
}

fn executable(path: &Path) -> Option<PathBuf> {
    path.is_file().then(|| path.to_owned())
}

/// A loopback port that was free a moment ago, below those that the system gives to clients.
/// Whoever starts a server there must be ready to find it taken, and try another.
pub fn free_port() -> u16 {
    let mut candidates = iter::repeat_with(|| rand::random_range(10_000..32_000));
    let free = candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("an endless number of candidates")
}

/// An address of this machine that others could reach; none where there is no network.
pub fn outside_address() -> Option<IpAddr> {
    // Nothing is sent: it is the way there that tells the address.
    let probe = UdpSocket::bind("0.0.0.0:0").ok()?;
    probe.connect("192.0.2.1:9").ok()?;
    Some(probe.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback())
}

/// How many ports a server's guard tries.
pub const ATTEMPTS: usize = 5;
