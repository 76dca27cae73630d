use super::*;
use crate::client::spec::Bind;

const FILE: &str =
    "target = \"db\"\n\n[targets]\ndb = \"tag:Role=db\"\nweb = \"i-0123456789abcdef0\"\n";

/// What these files say together, each above those before it.
fn files(texts: &[&str]) -> Result<ConfigFile, String> {
    let folder = tempfile::TempDir::new().unwrap();
    let mut files = ConfigFile::default();
    for (index, text) in texts.iter().enumerate() {
        let path = folder.path().join(format!("{index}.toml"));
        std::fs::write(&path, text).unwrap();
        files.add(&Place::there(path)).map_err(|error| error.to_string())?;
    }
    files.check().map_err(|error| error.to_string())?;
    Ok(files)
}

fn target(files: &ConfigFile, typed: Option<&str>) -> Target {
    files.target(typed.map(|text| text.parse().unwrap())).unwrap()
}

fn whose(files: &ConfigFile, typed: &str) -> (Option<String>, Option<String>) {
    let whose = target(files, Some(typed)).apart().2;
    (whose.profile, whose.region)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn aliases_stand_for_targets_and_one_is_the_default() {
    let file = files(&[FILE]).unwrap();
    let target = |typed: Option<&str>| target(&file, typed).to_string();
    assert_eq!(target(None), "tag:Role=db");
    assert_eq!(target(Some("web")), "i-0123456789abcdef0");
    assert_eq!(target(Some("other")), "other");
    assert_eq!(target(Some("local")), "local");
    assert_eq!(target(Some("web--eu-west-1")), "i-0123456789abcdef0--eu-west-1");
    let nothing = ConfigFile::default().target(None).unwrap();
    assert_eq!(nothing, Target::Lookup(Lookup::Any));
}

#[test]
fn a_recording_that_the_machine_demands_is_nobodys_to_change() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = |name: &str, record: &str, is_machines| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("[defaults]\nrecord = \"{record}\"\n")).unwrap();
        let mut place = Place::there(path);
        place.is_machines = is_machines;
        place
    };
    let (machine, besides) = (file("m", "/machine", true), file("b", "/besides", true));
    let own = file("o", "/own", false);
    let recording = |besides: Option<&Place>, places: &[&Place]| {
        let mut files = ConfigFile::default();
        besides.into_iter().for_each(|place| files.add_demand(place).unwrap());
        places.iter().for_each(|place| files.add(place).unwrap());
        let recording = files.recording().unwrap();
        (recording.origin.file.file_name().unwrap().to_owned(), recording.is_demanded)
    };
    assert_eq!(recording(None, &[&own]), ("o".into(), false));
    assert_eq!(recording(None, &[&machine, &own]), ("m".into(), true));
    // A variable hides nothing.
    assert_eq!(recording(Some(&besides), &[&machine, &own]), ("b".into(), true));
    assert_eq!(recording(Some(&besides), &[&own]), ("b".into(), true));
    assert!(ConfigFile::default().recording().is_none());
}

#[test]
fn an_alias_has_an_account_of_its_own() {
    let file = "[defaults]\ntarget = \"web\"\nprofile = \"work\"\n[targets.web]\ntarget = \"tag:Role=web\"\n\
                profile = \"prod\"\nregion = \"eu-west-1\"\n[targets]\ndb = \"i-0123456789abcdef0\"\n";
    let file = files(&[file]).unwrap();
    assert_eq!(whose(&file, "web"), (some("prod"), some("eu-west-1")));
    assert_eq!(whose(&file, "db"), (None, None));
    assert_eq!(target(&file, None), target(&file, Some("web")));
    assert_eq!(target(&file, None).bare().to_string(), "tag:Role=web");
    let (bare, region, whose) = target(&file, Some("web--us-east-1")).apart();
    assert_eq!((bare.to_string(), region), ("tag:Role=web".to_owned(), some("us-east-1")));
    assert_eq!(whose.profile, some("prod"));
    assert_eq!(file.defaults(), Whose { profile: some("work"), region: None });
}

#[test]
fn the_users_file_goes_before_the_machines_key_by_key() {
    let machine = "[defaults]\nregion = \"eu-west-1\"\nprofile = \"work\"\n[targets.web]\n\
                   target = \"tag:Role=web\"\nprofile = \"prod\"\n[targets.old]\ntarget = \"web-1\"\n\
                   profile = \"prod\"\n[tunnels.db]\ntarget = \"web\"\nhost = \"db\"\nport = 5432\n";
    let own = "[defaults]\nprofile = \"mine\"\n[targets.web]\nregion = \"us-east-1\"\n[targets]\n\
               old = \"web-2\"\n[tunnels.db]\nlocal = 15432\n";
    let both = files(&[machine, own]).unwrap();
    assert_eq!(both.defaults(), Whose { profile: some("mine"), region: some("eu-west-1") });
    assert_eq!(whose(&both, "web"), (some("prod"), some("us-east-1")));
    // A line of its own is the whole of it.
    assert_eq!(whose(&both, "old"), (None, None));
    assert_eq!(target(&both, Some("old")).to_string(), "web-2");
    let tunnel = &both.tunnels().unwrap()[0];
    assert_eq!(tunnel.spec, "15432:db:5432".parse().unwrap());
    let (key, setting) = both.settings().find(|(key, _)| key.field == "local").unwrap();
    assert_eq!(key.to_string(), "tunnels.db.local");
    assert_eq!((setting.origin.line, &*setting.origin.file), (8, &*both.files()[1]));
}

#[test]
fn tunnels_lead_where_their_keys_say() {
    let file = "[defaults]\ntarget = \"bastion\"\n[targets.bastion]\ntarget = \"tag:Role=bastion\"\n\
                profile = \"prod\"\n[tunnels.a]\nport = 80\n[tunnels.b]\nhost = \"fd00::7\"\nport = 443\n\
                local = \"0.0.0.0:8443\"\nregion = \"us-east-1\"\nprofile = \"other\"\n\
                [tunnels.c]\ntarget = \"local\"\nport = 6379\nlocal = \"/run/redis.sock\"\n\
                open = \"redis-cli -s {local}\"\n[tunnels.d]\nport = 1\nlocal = 0\nhost = \"localhost\"\n";
    let tunnels = files(&[file]).unwrap().tunnels().unwrap();
    let [a, b, c, d] = &tunnels[..] else { panic!("{tunnels:?}") };
    assert_eq!(a.spec, "80:80".parse().unwrap());
    assert_eq!(a.target.bare().to_string(), "tag:Role=bastion");
    assert_eq!(a.target.clone().apart().2.profile, some("prod"));
    assert_eq!(b.spec, "0.0.0.0:8443:[fd00::7]:443".parse().unwrap());
    let whose = Whose { profile: some("other"), region: some("us-east-1") };
    assert_eq!(b.target.clone().apart().2, whose);
    assert_eq!(
        (&c.target, &c.spec.bind),
        (&Target::Local, &Bind::Socket("/run/redis.sock".into()))
    );
    assert_eq!(c.open.as_deref(), Some("redis-cli -s {local}"));
    assert_eq!(d.spec, "0:1".parse().unwrap());
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (text, part) in [
        ("target = \"a\"\ntarge = \"b\"\n", "line 2: unknown key `targe`: did you mean `target`?"),
        ("[target]\nweb = \"b\"\n", "line 1: [target] is no table: it is [targets]"),
        ("[taget]\n", "did you mean `target`?"),
        ("[servers]\n", "there are defaults, targets, tunnels, target"),
        (
            "[targets]\nweb = 5\n",
            "line 2: targets.web is a number, and has to be a text or a table",
        ),
        ("[targets\n", "line 1: "),
        ("[targets]\nweb = \"i-xyz\"\n", "line 2: targets.web: a node's id"),
        ("[targets]\nlocal = \"web\"\n", "targets.local: this name means something else"),
        ("[targets]\na = \"b\"\nb = \"i-01234567\"\n", "line 2: targets.a: `b` is an alias itself"),
        ("[targets.a]\nprofile = \"b\"\n", "line 2: targets.a: it has no `target`"),
        (
            "[targets.a]\ntarget = \"local\"\nprofile = \"b\"\n",
            "targets.a: the embedded endpoint has",
        ),
        ("[targets.a]\ntarget = \"b--eu-west-1\"\nregion = \"b\"\n", "its region is named twice"),
        (
            "target = \"a\"\n[defaults]\ntarget = \"b\"\n",
            "line 3: the default target stands in line 1",
        ),
        (
            "[defaults]\nprofil = \"a\"\n",
            "unknown key `profil` in [defaults]: did you mean `profile`?",
        ),
        ("[defaults]\nregion = \"\"\n", "line 2: defaults.region: it is empty"),
        ("[tunnels.db]\nhost = \"db\"\n", "line 2: tunnels.db: it has no `port`"),
        ("[tunnels.db]\nport = 80\n", "tunnels.db: it has no `target`, and [defaults] has none"),
        ("[tunnels.db]\nport = 0\n", "line 2: tunnels.db.port: `0` is not a port"),
        (
            "[tunnels.db]\nport = \"80\"\n",
            "tunnels.db.port is a text, and has to be a whole number",
        ),
        ("[tunnels.db]\nprot = 80\n", "unknown key `prot` in [tunnels.db]: did you mean `port`?"),
        ("[tunnels.db]\nlocal = \"db\"\n", "tunnels.db.local: `db` is nothing to listen on"),
        ("[tunnels.db]\nlocal = 99999\n", "tunnels.db.local: `99999` is nothing to listen on"),
        ("[tunnels.db]\nhost = \"db:5432\"\n", "tunnels.db.host: `db:5432` is no host"),
        ("[tunnels.db]\nopen = \"psql '\"\n", "tunnels.db.open: `psql '` has a quote without"),
        ("[tunnels.'a b']\nport = 80\n", "tunnels.\"a b\": a tunnel's name has 1 to 64 characters"),
        (
            "[tunnels.a]\ntarget = \"local\"\nport = 80\nprofile = \"b\"\n",
            "tunnels.a: the embedded endpoint has",
        ),
        (
            "target = \"local\"\n[tunnels.a]\nport = 80\nregion = \"b\"\n",
            "tunnels.a: the embedded endpoint has",
        ),
        (
            "[tunnels.a]\ntarget = \"b--eu-west-1\"\nport = 80\nregion = \"b\"\n",
            "tunnels.a: its region is named twice",
        ),
        (
            "target = \"x\"\n[tunnels.a]\nport = 1\nlocal = 80\n[tunnels.b]\nport = 2\nlocal = 80\n",
            "line 7: tunnels.b: `a` listens there already (line 4)",
        ),
        (
            "target = \"x\"\n[tunnels.a]\nport = 1\nlocal = 80\n[tunnels.b]\nport = 81\nlocal = \"*:80\"\n",
            "tunnels.b: `a` listens there already",
        ),
        (
            "target = \"x\"\n[tunnels.a]\nport = 80\nlocal = \"/a\"\n[tunnels.b]\nport = 80\nlocal = \"/a\"\n",
            "line 7: tunnels.b: `a` listens there already (line 4)",
        ),
        ("[target.a]\ntarget = \"i-01234567\"\n", "line 1: [target] is no table: it is [targets]"),
        ("tunnels = 1\n", "line 1: tunnels is a number, and has to be a table"),
    ] {
        let message = files(&[text]).unwrap_err();
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let nowhere = || "/nowhere/config.toml".into();
    assert_eq!(Place::usual(nowhere()).text(), Ok(None));
    let failure = Place::there(nowhere()).text().unwrap_err();
    assert_eq!(failure.what, "cannot read /nowhere/config.toml");
    assert_eq!(failure.next.as_deref(), Some("check SSMPORT_CONFIG"));
}

#[test]
fn tunnels_may_share_what_is_not_one_place() {
    let file = |a: &str, b: &str| {
        format!("target = \"x\"\n[tunnels.a]\nport = 80\n{a}\n[tunnels.b]\nport = 80\n{b}\n")
    };
    for (a, b) in [
        ("local = 0", "local = 0"),
        ("local = 0", ""),
        ("local = \"127.0.0.2:80\"", ""),
        ("local = \"/a\"", "local = \"/b\""),
    ] {
        assert!(files(&[&file(a, b)]).is_ok(), "{a} {b}");
    }
    // The machine's file may change without the user's knowing.
    let (machine, own) = ("[tunnels.a]\nport = 80\n", "target = \"x\"\n[tunnels.b]\nport = 80\n");
    assert!(files(&[machine, own]).is_ok());
}
