//! Who holds an address that cannot be had.

use std::net::{IpAddr, SocketAddr};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux::{sockets, with_sockets};

/// Names and ids of the processes that keep `address` from being listened on, if the system tells.
/// Some other address of the same port may be somebody else's, or our own.
pub(crate) fn of(address: SocketAddr) -> Option<String> {
    let all = sockets()?;
    let there = all.iter().filter_map(|one| Some((one.hindrance(address)?, one)));
    let (most, _) = there.clone().min_by_key(|(rank, _)| *rank)?;
    let in_the_way: Vec<&Socket> =
        there.filter(|(rank, _)| *rank == most).map(|(_, one)| one).collect();
    let mut holders = with_sockets(&in_the_way);
    holders.sort_by_key(|holder| holder.id);
    // Whoever has inherited all that it has of them mostly knows nothing of it.
    let is_first = |holder: &&Holder| {
        let parent = holders.iter().find(|other| Some(other.id) == holder.parent);
        parent.is_none_or(|parent| holder.keys.iter().any(|key| !parent.keys.contains(key)))
    };
    let names = holders.iter().filter(is_first).take(MOST_NAMES);
    let names: Vec<String> =
        names.map(|Holder { name, id, .. }| format!("{name} (process {id})")).collect();
    Some(names.join(" and ")).filter(|names| !names.is_empty())
}

/// A socket of TCP in this system.
#[derive(Clone, Debug)]
struct Socket {
    address: SocketAddr,
    listens: bool,
    /// What its holders are found by.
    key: u64,
}

/// A process that has some of them.
#[derive(Clone, Debug)]
struct Holder {
    id: u32,
    keys: Vec<u64>,
    /// Where the system tells.
    parent: Option<u32>,
    name: String,
}

impl Socket {
    /// How surely this is what keeps `address` from being had, the surest first; `None` if it does not.
    fn hindrance(&self, address: SocketAddr) -> Option<u8> {
        if self.address.port() != address.port() {
            return None;
        }
        let (there, wanted) = (self.address.ip().to_canonical(), address.ip());
        let is_same_family = there.is_ipv4() == wanted.is_ipv4();
        let is_any = |ip: IpAddr| ip.is_unspecified();
        let closeness = match () {
            () if there == wanted => 0,
            () if is_same_family && (is_any(there) || is_any(wanted)) => 1,
            // Which may be for both families.
            () if is_any(there) && there.is_ipv6() => 2,
            () => return None,
        };
        // Connections have the port of their listener, and may belong to somebody else.
        Some(closeness + if self.listens { 0 } else { 3 })
    }
}

#[cfg(not(target_os = "linux"))]
fn sockets() -> Option<Vec<Socket>> {
    let all = listeners::get_all().ok()?.into_iter();
    let of_tcp = all.filter(|one| one.protocol == listeners::Protocol::TCP);
    let socket = |one: listeners::Listener| Socket {
        address: one.socket,
        listens: one.state == listeners::SocketState::Listen,
        key: one.process.pid.into(),
    };
    Some(of_tcp.map(socket).collect())
}

#[cfg(not(target_os = "linux"))]
fn with_sockets(sockets: &[&Socket]) -> Vec<Holder> {
    let Ok(all) = listeners::get_all() else { return Vec::new() };
    let is_meant = |one: &listeners::Listener| {
        let id = u64::from(one.process.pid);
        sockets.iter().any(|socket| socket.key == id && socket.address == one.socket)
    };
    let holder = |one: listeners::Listener| Holder {
        id: one.process.pid,
        keys: vec![one.process.pid.into()],
        parent: None,
        name: one.process.name,
    };
    let mut holders: Vec<Holder> = all.into_iter().filter(is_meant).map(holder).collect();
    holders.sort_by_key(|holder| holder.id);
    holders.dedup_by_key(|holder| holder.id);
    holders
}

/// Several share a port with SO_REUSEPORT; a line has room for so many.
const MOST_NAMES: usize = 3;

#[cfg(all(test, target_os = "linux"))]
mod tests;
