//! Tunnels that are to be kept up.

use std::{env, net::Ipv6Addr};

use super::{ConfigFile, Error, Origin, Table, key::path, parsed};
use crate::{
    client::{
        LaneCount,
        spec::{Bind, Spec},
        target::{Lookup, Target},
    },
    malformed::Malformed,
};

/// One of them, with aliases and defaults put in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConfiguredTunnel {
    pub(crate) name: String,
    /// [`Any`](Lookup::Any) where none is named.
    pub(crate) target: Target,
    pub(crate) spec: Spec,
    /// Sessions at once.
    pub(crate) lanes: LaneCount,
    /// A program that goes with it, in the words of a shell.
    pub(crate) open: Option<String>,
    /// What comes, comes by a command's output.
    pub(crate) turbo: bool,
    /// Where it begins; no part of what it is.
    pub(crate) origin: Origin,
}

impl ConfiguredTunnel {
    /// Whether it leads there in the same way, wherever in a file that stands.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let ways =
            [self, other].map(|one| (&one.name, &one.target, &one.spec, one.lanes, one.turbo));
        ways[0] == ways[1]
    }
}

impl ConfigFile {
    /// The tunnel of that name, which there is.
    pub(super) fn tunnel(&self, name: &str) -> Result<ConfiguredTunnel, Error> {
        let wrong = |why: &str| self.wrong(Table::Tunnels, name, why);
        let value = |field| self.get(Table::Tunnels, name, field).map(|setting| &*setting.value);
        let port =
            self.get(Table::Tunnels, name, "port").ok_or_else(|| wrong("it has no `port`"))?;
        let number = port.value.parse().unwrap_or_default();
        let local = value("local").unwrap_or(&port.value);
        let spec = spec(local, value("host"), number).map_err(|why| wrong(&why.to_string()))?;
        let typed = self.get(Table::Tunnels, name, "target").map(parsed).transpose()?;
        let target = self.target(typed)?;
        let whose = self.whose(Table::Tunnels, name);
        Ok(ConfiguredTunnel {
            name: name.to_owned(),
            target: if target == Target::Local { target } else { whose.of(target) },
            spec,
            lanes: self.lanes(name)?,
            open: value("open").map(str::to_owned),
            turbo: value("turbo") == Some("true"),
            origin: port.origin.clone(),
        })
    }

    fn lanes(&self, name: &str) -> Result<LaneCount, Error> {
        match self.get(Table::Tunnels, name, "lanes") {
            Some(setting) => setting
                .value
                .parse()
                .map_err(|why: Error| setting.origin.wrong(&format!("lanes: {why}"))),
            None => Ok(LaneCount::default()),
        }
    }

    pub(super) fn check_tunnel(&self, name: &str) -> Result<(), Error> {
        let tunnel = self.tunnel(name)?;
        if let Some(typed) = self.get(Table::Tunnels, name, "target") {
            self.check_account(Table::Tunnels, name, &parsed(typed)?)?;
        }
        // The default one or an alias can be it, too.
        if tunnel.target == Target::Local {
            self.check_account(Table::Tunnels, name, &tunnel.target)?;
        }
        let is_named = !matches!(tunnel.target.bare(), Target::Lookup(Lookup::Any));
        match is_named {
            true => Ok(()),
            false => {
                let why = "it has no `target`, and [defaults] has none either";
                Err(self.wrong(Table::Tunnels, name, why))
            }
        }
    }

    /// Two tunnels of one file are not given one place to listen. Those without `local` may be there for the
    /// one or the other to be up.
    pub(super) fn check_locals(&self) -> Result<(), Error> {
        let tunnels = self.tunnels()?;
        for (at, tunnel) in tunnels.iter().enumerate() {
            let place = |tunnel: &ConfiguredTunnel| {
                let local = self.get(Table::Tunnels, &tunnel.name, "local");
                local.map(|local| local.origin.clone())
            };
            let Some(here) = place(tunnel) else { continue };
            let collides = |other: &&ConfiguredTunnel| {
                // Whoever has written the other file need not know of it.
                tunnel.spec.collides(&other.spec)
                    && place(other).is_some_and(|there| there.file == here.file)
            };
            let other = tunnels[..at].iter().find(collides);
            let Some((other, there)) = other.and_then(|other| Some((other, place(other)?))) else {
                continue;
            };
            let why = format!(
                "`{}` listens there already (line {}): give one of them another `local`, or 0",
                other.name, there.line
            );
            return Err(here.wrong(&format!("{}: {why}", path(Table::Tunnels, &tunnel.name))));
        }
        Ok(())
    }
}

/// What the keys mean together.
pub(super) fn spec(local: &str, host: Option<&str>, port: u16) -> Result<Spec, Malformed> {
    // A number alone is a port; in the grammar of SPEC it could be anything.
    let text = match host {
        Some(host) if host.parse::<Ipv6Addr>().is_ok() => format!("{local}:[{host}]:{port}"),
        Some(host) => format!("{local}:{host}:{port}"),
        None => format!("{local}:{port}"),
    };
    let spec: Spec = text.parse()?;
    // `local = "db"` would be a host.
    if host.is_none() && spec.host.is_some() {
        return Err(format!("`{local}` is nothing to listen on").into());
    }
    let bind = match spec.bind {
        Bind::Socket(path) => match (path.strip_prefix("~"), env::home_dir()) {
            (Ok(rest), Some(home)) => Bind::Socket(home.join(rest)),
            _ => Bind::Socket(path),
        },
        bind => bind,
    };
    Ok(Spec { bind, ..spec })
}
