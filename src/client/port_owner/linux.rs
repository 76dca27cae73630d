//! What `/proc` tells of sockets. It shows every process that has one, not only the last that was
//! looked at.

use std::{
    collections::HashMap,
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use super::{Holder, Socket};

/// Those of TCP.
pub(super) fn sockets() -> Option<Vec<Socket>> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let tables: Vec<String> =
        tables.into_iter().filter_map(|table| fs::read_to_string(table).ok()).collect();
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    Some(lines.filter_map(socket).collect()).filter(|_| !tables.is_empty())
}

/// Who has one of them, as far as this user may know.
pub(super) fn with_sockets(sockets: &[&Socket]) -> Vec<Holder> {
    let names: HashMap<String, u64> =
        sockets.iter().map(|socket| (format!("socket:[{}]", socket.key), socket.key)).collect();
    let keys_of = |process: &Path| -> Vec<u64> {
        let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        links.filter_map(|link| names.get(link.to_str()?).copied()).collect()
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let holders = ids.filter_map(|id: u32| {
        let path = Path::new("/proc").join(id.to_string());
        let keys = keys_of(&path);
        (!keys.is_empty()).then(|| holder(id, keys, &path))
    });
    holders.collect()
}

fn holder(id: u32, keys: Vec<u64>, path: &Path) -> Holder {
    let name = fs::read_to_string(path.join("comm")).unwrap_or_default().trim_end().to_owned();
    // Behind the name, which may have brackets in it: the state, and the parent.
    let stat = fs::read(path.join("stat")).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
    Holder { id, keys, parent: parent.and_then(|parent| parent.parse().ok()), name }
}

/// A line of proc_net(5): number, local address, remote one, state, queues, timer, retransmissions,
/// user, timeout, inode.
fn socket(line: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let key = fields.get(9)?.parse().ok().filter(|inode| *inode != 0)?;
    Some(Socket { address: address(fields.get(1)?)?, listens: *fields.get(3)? == LISTEN, key })
}

/// Words of 32 bits as this machine has them, each in hexadecimal.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = ip.as_bytes().chunks(8).map(|digits| {
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().map(u32::to_ne_bytes)
    });
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
    let ip = match (<[u8; 4]>::try_from(&bytes[..]), <[u8; 16]>::try_from(&bytes[..])) {
        (Ok(bytes), _) => Ipv4Addr::from(bytes).into(),
        (_, Ok(bytes)) => Ipv6Addr::from(bytes).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

const LISTEN: &str = "0A";
