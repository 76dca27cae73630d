//! The lower a folder of `src`, the fewer things it may know.
//!
//! The sources are read as tokens, so that every path counts: in `use` trees, in the middle of an
//! expression, and in the arguments of macros, which a parser of items would skip.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::sources::{self, Source};

/// Folder by folder, what may be imported beside the folder itself.
const LAYERS: [Layer; 14] = [
    Layer { folder: "wire", knows: &[], tests_know: &[] },
    Layer { folder: "channel", knows: &["wire"], tests_know: &[] },
    Layer { folder: "mux", knows: &[], tests_know: &[] },
    Layer { folder: "files", knows: &[], tests_know: &[] },
    Layer { folder: "net", knows: &["channel", "mux", "wire", "files"], tests_know: &[] },
    Layer { folder: "aws", knows: &["net", "wire", "files", "malformed"], tests_know: &[] },
    Layer { folder: "reaper", knows: &[], tests_know: &[] },
    Layer { folder: "term", knows: &["reaper"], tests_know: &[] },
    Layer {
        folder: "session",
        knows: &["net", "aws", "channel", "wire"],
        tests_know: &["local", "mux"],
    },
    Layer {
        folder: "streams",
        knows: &["session", "net", "channel", "mux", "wire", "reaper"],
        tests_know: &["local"],
    },
    Layer {
        folder: "local",
        knows: &["net", "channel", "mux", "wire", "reaper", "files", "malformed"],
        tests_know: &[],
    },
    Layer {
        folder: "client",
        knows: &[
            "session",
            "streams",
            "local",
            "net",
            "aws",
            "channel",
            "wire",
            "reaper",
            "files",
            "malformed",
        ],
        tests_know: &[],
    },
    // What it does with sessions it does by way of the client.
    Layer {
        folder: "cli",
        knows: &["client", "local", "net", "aws", "wire", "term", "reaper", "files", "malformed"],
        tests_know: &[],
    },
    // It is handed a session that somebody else has started, and carries whatever that holds.
    Layer {
        folder: "cli/plugin",
        knows: &[
            "cli",
            "client",
            "session",
            "streams",
            "net",
            "aws",
            "channel",
            "wire",
            "term",
            "files",
            "malformed",
        ],
        tests_know: &[],
    },
];

struct Layer {
    folder: &'static str,
    knows: &'static [&'static str],
    /// Beyond `knows`, in test code alone: the embedded endpoint is what tests talk to.
    tests_know: &'static [&'static str],
}

/// The folders of the protocol core: no I/O, no clock, no locks, no tasks.
const CORE: [&str; 3] = ["wire", "channel", "mux"];

/// What no path in the core may contain outside of tests.
const NOT_IN_CORE: [&[&str]; 10] = [
    &["tokio"],
    &["std", "net"],
    &["std", "thread"],
    &["std", "fs"],
    &["std", "process"],
    &["Mutex"],
    &["RwLock"],
    &["Instant", "now"],
    &["SystemTime", "now"],
    &["unsafe"],
];

const MOST_LINES: usize = 500;

#[test]
fn no_import_points_upward() {
    let sources = sources();
    assert_eq!(violations(&sources), Vec::<String>::new());
}

#[test]
fn every_source_file_can_be_read_in_one_go() {
    let long: Vec<_> = sources()
        .iter()
        .map(|source| (source.path.clone(), source.text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{path} has {lines} lines, more than {MOST_LINES}"))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

fn sources() -> Vec<Source> {
    let found = sources::below("src");
    for folder in CORE {
        let read = found.iter().any(|source| source.path == format!("{folder}/mod.rs"));
        assert!(read, "src/{folder}/mod.rs was not found");
    }
    found
}

/// Every arrow that points up and everything in the core that has no place there, in words.
fn violations(sources: &[Source]) -> Vec<String> {
    let readings: Vec<_> = sources.iter().map(|source| (source, Reading::of(source))).collect();
    let tests: BTreeSet<_> =
        readings.iter().flat_map(|(_, reading)| &reading.test_modules).collect();
    let mut found = Vec::new();
    for (source, reading) in &readings {
        for mention in &reading.mentions {
            let enclosing = (0..=mention.module.len()).map(|len| mention.module[..len].to_vec());
            let in_test = mention.in_test || enclosing.into_iter().any(|m| tests.contains(&m));
            if let Some(complaint) = complaint(source, mention, in_test) {
                let path = mention.path.join("::");
                found.push(format!("{}:{}: {path}: {complaint}", source.path, mention.line));
            }
        }
    }
    found
}

fn complaint(source: &Source, mention: &Mention, in_test: bool) -> Option<String> {
    let (folder, _) = source.path.split_once('/')?;
    if folder == "bin" {
        let of_crate = mention.path[0] == "ssmport";
        let to_cli = mention.path.get(1).is_some_and(|layer| layer == "cli");
        return (of_crate && !to_cli).then(|| "a program knows `ssmport::cli` alone".to_owned());
    }
    let is_of = |layer: &&Layer| source.path.starts_with(layer.folder);
    let is_in = |layer: &Layer| source.path[layer.folder.len()..].starts_with(['/', '.']);
    // The deepest one counts.
    let Some(layer) = LAYERS.iter().rfind(|layer| is_of(layer) && is_in(layer)) else {
        return Some(format!("there is no rule for the folder {folder}"));
    };
    if CORE.contains(&folder) && !in_test {
        let stranger = NOT_IN_CORE.iter().find(|sequence| {
            let path: Vec<_> = mention.path.iter().map(String::as_str).collect();
            path.windows(sequence.len()).any(|window| window == **sequence)
        });
        if let Some(stranger) = stranger {
            return Some(format!("`{}` has no place in the core", stranger.join("::")));
        }
    }
    let target = mention.resolved()?;
    let Some(target) = target.first() else {
        return Some("the crate's root belongs to no layer".to_owned());
    };
    let known = target == folder
        || layer.knows.contains(&target.as_str())
        || in_test && layer.tests_know.contains(&target.as_str());
    (!known).then(|| format!("{folder} must not know {target}"))
}

/// All paths of one file.
struct Reading {
    mentions: Vec<Mention>,
    /// Modules declared under `#[cfg(test)]`, whose files are tests.
    test_modules: Vec<Vec<String>>,
    module: Vec<String>,
}

/// A path, or a single name, in a source.
struct Mention {
    path: Vec<String>,
    line: usize,
    /// The module that it stands in.
    module: Vec<String>,
    in_test: bool,
}

impl Mention {
    /// The path from the crate's root on; `None` when it is not one of this crate.
    fn resolved(&self) -> Option<Vec<String>> {
        let mut rest = self.path.iter().peekable();
        let mut target = match rest.peek()?.as_str() {
            // By itself the crate's name is that of something else, as of a program's function.
            "ssmport" if self.path.len() == 1 => return None,
            "crate" | "ssmport" => {
                rest.next();
                Vec::new()
            }
            "self" | "super" => self.module.clone(),
            _ => return None,
        };
        while let Some(step) = rest.next_if(|step| matches!(step.as_str(), "self" | "super")) {
            if step == "super" {
                target.pop();
            }
        }
        target.extend(rest.cloned());
        Some(target)
    }
}

impl Reading {
    fn of(source: &Source) -> Self {
        let tokens: TokenStream = match source.text.parse() {
            Ok(tokens) => tokens,
            Err(error) => panic!("src/{} is not Rust: {error}", source.path),
        };
        let module = source.path.trim_end_matches(".rs").split('/').map(str::to_owned);
        let mut module: Vec<_> = module.collect();
        if module.last().is_some_and(|name| name == "mod" || name == "lib") {
            module.pop();
        }
        let mut reading = Self { mentions: Vec::new(), test_modules: Vec::new(), module };
        reading.read(tokens, false);
        reading
    }

    /// Reads the tokens of a file, or those between two brackets.
    fn read(&mut self, tokens: TokenStream, in_test: bool) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut rest = &tokens[..];
        // Of the item that stands next: from its attribute to its end.
        let mut item_is_test = false;
        while let Some((first, after)) = rest.split_first() {
            let test = in_test || item_is_test;
            match (first, after) {
                (TokenTree::Punct(hash), [TokenTree::Group(attribute), after @ ..])
                    if hash.as_char() == '#' =>
                {
                    item_is_test |= is_test(attribute);
                    self.read(attribute.stream(), test);
                    rest = after;
                }
                (TokenTree::Ident(word), [TokenTree::Group(group), after @ ..])
                    if word == "pub" && is_restriction(group) =>
                {
                    rest = after;
                }
                (TokenTree::Ident(word), [TokenTree::Ident(name), body, after @ ..])
                    if word == "mod" =>
                {
                    self.module.push(name.to_string());
                    match body {
                        TokenTree::Group(body) => self.read(body.stream(), test),
                        _ if test => self.test_modules.push(self.module.clone()),
                        _ => {}
                    }
                    self.module.pop();
                    item_is_test = false;
                    rest = after;
                }
                (TokenTree::Ident(_), _) => rest = self.read_path(rest, &[], test),
                (TokenTree::Group(group), after) => {
                    self.read(group.stream(), test);
                    if group.delimiter() == Delimiter::Brace {
                        item_is_test = false;
                    }
                    rest = after;
                }
                (TokenTree::Punct(punct), after) => {
                    if punct.as_char() == ';' {
                        item_is_test = false;
                    }
                    rest = after;
                }
                (TokenTree::Literal(_), after) => rest = after,
            }
        }
    }

    /// Reads one path, and if it ends in braces, as those of `use` may, all that it stands for.
    /// Returns what follows.
    fn read_path<'t>(
        &mut self,
        tokens: &'t [TokenTree],
        prefix: &[String],
        in_test: bool,
    ) -> &'t [TokenTree] {
        let mut path = prefix.to_vec();
        let line = tokens.first().map_or(0, |token| token.span().start().line);
        let mut rest = tokens;
        if let [TokenTree::Ident(name), after @ ..] = rest {
            path.push(name.to_string());
            rest = after;
        }
        while let [TokenTree::Punct(one), TokenTree::Punct(two), next, after @ ..] = rest
            && (one.as_char(), two.as_char()) == (':', ':')
        {
            match next {
                TokenTree::Ident(name) => path.push(name.to_string()),
                TokenTree::Punct(star) if star.as_char() == '*' => path.push("*".to_owned()),
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let trees: Vec<_> = group.stream().into_iter().collect();
                    let comma =
                        |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ',');
                    for tree in trees.split(comma).filter(|tree| !tree.is_empty()) {
                        self.read_path(tree, &path, in_test);
                    }
                    return after;
                }
                _ => break,
            }
            rest = after;
        }
        self.mentions.push(Mention { path, line, module: self.module.clone(), in_test });
        rest
    }
}

fn is_test(attribute: &Group) -> bool {
    matches!(attribute.stream().to_string().as_str(), "test" | "cfg (test)" | "cfg(test)")
}

/// Whether a group behind `pub` says how far a name is visible, which is no import.
fn is_restriction(group: &Group) -> bool {
    let tokens: Vec<_> = group.stream().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(_)] => group.delimiter() == Delimiter::Parenthesis,
        [TokenTree::Ident(word), ..] => word == "in",
        _ => false,
    }
}

// --- what the reading of the sources must find, and must leave alone ---

fn found_in(path: &str, text: &str) -> Vec<String> {
    violations(&[Source { path: path.to_owned(), text: text.to_owned() }])
}

#[test]
fn upward_imports_are_found_in_every_form() {
    for text in [
        "use crate::net;",
        "use crate::net::now;",
        "use crate::{wire::Frame, net::{Socket as S}};",
        "use crate::{\n    net::*,\n};",
        "pub use super::super::net::Socket;",
        "mod inner { use super::super::super::net::Socket; }",
        "fn f() { let _ = crate::net::now(); }",
        "fn f() -> Vec<crate::net::Socket> { Vec::new() }",
        "fn f() { println!(\"{}\", crate::net::now()); }",
        "macro_rules! m { () => { $crate::net::now() }; }",
        "struct S(pub (crate::net::Socket, u8));",
        "#[cfg(test)]\nmod tests { use crate::net::Socket; }",
        "use ssmport::net;",
    ] {
        let found = found_in("channel/outgoing.rs", text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].ends_with("channel must not know net"), "{found:?}");
    }
}

#[test]
fn a_find_says_where_it_is() {
    let found = found_in("mux/mod.rs", "//! Docs.\n\nuse std::fmt;\nuse super::wire::Frame;\n");
    assert_eq!(found, ["mux/mod.rs:4: super::wire::Frame: mux must not know wire"]);
}

#[test]
fn the_crates_root_is_no_way_around() {
    for text in ["use crate::*;", "use super::super::Socket;", "use crate as root;"] {
        assert_eq!(found_in("wire/frame.rs", text).len(), 1, "{text}");
    }
}

#[test]
fn what_the_core_must_do_without_is_found() {
    for text in [
        "use tokio::net::TcpStream;",
        "use std::{fmt, net::{IpAddr, Ipv4Addr}};",
        "use std::thread;",
        "use std::sync::{Arc, Mutex};",
        "fn f(now: Option<Instant>) -> Instant { now.unwrap_or(std::time::Instant::now()) }",
        "fn f() { assert!(Instant::now() > start); }",
        "fn f() { unsafe { g() } }",
        "unsafe impl Send for S {}",
        "#[cfg(test)] use std::fmt; use std::thread;",
        "#[cfg(test)] fn f() {} fn g() { std::thread::yield_now(); }",
        "#[cfg(not(test))] mod m { use std::thread; }",
    ] {
        let found = found_in("wire/frame.rs", text);
        assert!(!found.is_empty(), "{text}");
        assert!(found.iter().all(|f| f.ends_with("has no place in the core")), "{found:?}");
    }
}

#[test]
fn tests_in_the_core_may_have_a_clock() {
    let inline = "#[cfg(test)]\nmod tests { fn f() { std::time::Instant::now(); } }";
    assert!(found_in("wire/frame.rs", inline).is_empty());

    let tests = || Source {
        path: "channel/tests.rs".to_owned(),
        text: "fn f() { std::time::Instant::now(); }".to_owned(),
    };
    let declared = |text: &str| Source { path: "channel/mod.rs".into(), text: text.into() };
    assert!(violations(&[declared("mod a;\n#[cfg(test)]\nmod tests;"), tests()]).is_empty());
    assert_eq!(violations(&[declared("#[cfg(test)]\nmod a;\nmod tests;"), tests()]).len(), 1);
}

#[test]
fn the_embedded_endpoint_is_for_tests_and_the_cli() {
    let import = "use crate::local::Endpoint;";
    let in_test = format!("#[cfg(test)]\nmod tests {{ {import} }}");
    assert_eq!(found_in("session/start.rs", import).len(), 1);
    assert!(found_in("session/start.rs", &in_test).is_empty());
    assert!(found_in("cli/demo.rs", import).is_empty());
}

#[test]
fn programs_know_the_cli_alone() {
    let main = |path: &str| format!("fn main() -> std::process::ExitCode {{ {path}::main() }}");
    assert!(found_in("bin/ssmport.rs", &main("ssmport::cli")).is_empty());
    assert_eq!(found_in("bin/ssmport.rs", &main("ssmport::session")).len(), 1);
    assert_eq!(found_in("bin/ssmport.rs", "use ssmport::{cli, net::now};").len(), 1);
    assert_eq!(found_in("bin/ssmport.rs", "use ssmport::*;").len(), 1);
}

#[test]
fn a_folder_without_a_rule_is_found() {
    assert!(found_in("helper/mod.rs", "use std::fmt;")[0].contains("no rule"));
}

#[test]
fn what_is_allowed_is_left_alone() {
    for (path, text) in [
        ("channel/mod.rs", "mod rtt; pub use rtt::Rtt; use crate::wire::{self, Frame};"),
        ("channel/rtt.rs", "use super::{Window, outgoing::Outgoing}; use std::time::Instant;"),
        ("channel/rtt.rs", "/// As [`net`](crate::net) does.\npub(super) fn f(&self) {}"),
        ("wire/mod.rs", "pub(crate) mod a; pub(in crate::wire) fn f() {}"),
        ("wire/frame.rs", "#[cfg(test)]\nmod tests { use super::super::Packet; use super::*; }"),
        ("net/relay.rs", "use crate::{channel::Channel, mux::{self, Mux}}; use tokio::net;"),
        ("cli/mod.rs", "pub fn ssmport() -> ExitCode { crate::client::forward() }"),
        ("lib.rs", "pub mod wire; pub mod net; pub use net::Socket;"),
    ] {
        assert_eq!(found_in(path, text), Vec::<String>::new(), "{text}");
    }
}
