//! The client of a moment, and whoever uses it.

use std::{
    fs,
    io::{self, ErrorKind, Read},
    net::{SocketAddr, TcpStream},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::Value;

use super::{Way, carried::Scene};
use crate::support::{Endpoint, NODE, Program, Signal, in_shell};

/// One that carries something. It is killed with this.
pub struct Client<'a> {
    scene: &'a Scene<'a>,
    program: Program,
    /// What it has carried, if it is a forward's.
    carried: Carried,
}

#[derive(Default)]
struct Carried {
    socket: Option<TcpStream>,
    bytes: Vec<u8>,
}

/// How a connection that was cut off has shown that.
#[derive(PartialEq, Eq, Debug)]
enum Cut {
    Reset,
    /// As if it were all.
    End,
    /// It goes on.
    NotYet,
}

/// Starts what carries a scene's things.
pub fn start<'a>(scene: &'a Scene<'a>, endpoint: &Endpoint) -> Client<'a> {
    let port = scene.stage.port.to_string();
    let program = match scene.way {
        Way::Forward => {
            let spec = format!("0:{port}");
            scene.ssmport(endpoint, &["forward", "--turbo", "--json", &spec, "-t", NODE])
        }
        Way::Proxy => {
            let proxy = scene.ssmport(endpoint, &["proxy", "--turbo", NODE, &port]);
            let mut shell = in_shell(r#"exec "$@" >"$OUTPUT""#, &proxy);
            shell.env("OUTPUT", scene.output());
            shell
        }
        _ => {
            let [from, to] = scene.places();
            scene.ssmport(endpoint, &["cp", &from, &to])
        }
    };
    Client { scene, program: Program::start(program), carried: Carried::default() }
}

impl Client<'_> {
    pub fn pid(&self) -> Pid {
        self.program.pid()
    }

    /// Uses it until then.
    pub fn carry_until(&mut self, until: Instant) {
        if self.scene.way == Way::Forward {
            while Instant::now() < until {
                if let Some(address) = self.address() {
                    self.carried.read(address, until);
                    break;
                }
                sleep(STEP);
            }
        }
        sleep(until.saturating_duration_since(Instant::now()));
    }

    /// It was killed.
    pub fn await_end(self) {
        self.program.finish_within(PATIENCE);
    }

    /// It has nobody to go on with.
    pub fn give_up(self) {
        self.program.signal(Signal::TERM);
        self.end();
    }

    /// It makes good what it has lost, or says that it could not.
    pub fn goes_on(mut self) {
        if self.scene.way == Way::Forward && self.downloads() {
            self.program.signal(Signal::TERM);
        }
        self.end();
    }

    /// It does all of it.
    pub fn completes(mut self, whose: &str) {
        match self.scene.way {
            Way::Forward => {
                assert!(self.downloads(), "{whose}: {}", self.program.stderr());
                self.program.signal(Signal::TERM);
                self.end();
            }
            _ => assert_eq!(self.end(), Some(0), "{whose}"),
        }
    }

    /// Waits for its end: whoever is told that all has come has it all.
    fn end(self) -> Option<i32> {
        let ended = self.program.finish_within(PATIENCE);
        if self.scene.way == Way::Proxy && ended.status.success() {
            let output = fs::read(self.scene.output()).expect("its output");
            assert!(self.scene.stage.is_all(&output), "{} bytes, and {ended:?}", output.len());
        }
        println!("{:?}: {:?} {}", self.scene.way, ended.status, ended.stderr);
        ended.status.code()
    }

    /// Whether all has come through it in the end. What comes by one connection is whole, or that is cut off.
    fn downloads(&mut self) -> bool {
        let give_up_at = Instant::now() + PATIENCE;
        while Instant::now() < give_up_at && !self.has_ended() {
            if let Some(address) = self.address() {
                let cut = self.carried.read(address, give_up_at);
                let is_all = self.scene.stage.is_all(&self.carried.bytes);
                assert!(is_all || cut != Cut::End, "{} bytes", self.carried.bytes.len());
                if is_all {
                    return true;
                }
                self.carried = Carried::default();
            }
            sleep(STEP);
        }
        false
    }

    /// Where it listens, once it does.
    fn address(&self) -> Option<SocketAddr> {
        let said = self.program.stdout();
        let events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut ready = events.filter(|event| event["event"] == "ready");
        let port = ready.next()?["port"].as_u64()?.try_into().ok()?;
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        !matches!(waitid(WaitId::Pid(self.pid()), options), Ok(None))
    }
}

impl Carried {
    /// Reads on, or from the beginning.
    fn read(&mut self, address: SocketAddr, until: Instant) -> Cut {
        if self.socket.is_none() {
            self.socket = TcpStream::connect(address).ok();
        }
        let Some(socket) = &mut self.socket else { return Cut::Reset };
        socket.set_read_timeout(Some(STEP)).expect("a limit");
        let mut piece = vec![0; 64 << 10];
        while Instant::now() < until {
            match socket.read(&mut piece) {
                Ok(0) => return Cut::End,
                Ok(read) => self.bytes.extend_from_slice(&piece[..read]),
                Err(error) if is_later(&error) => {}
                Err(_) => return Cut::Reset,
            }
        }
        Cut::NotYet
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

const STEP: Duration = Duration::from_millis(20);
/// The second of two copies waits for the first one's script as long as that might still get something.
const PATIENCE: Duration = Duration::from_secs(60);
