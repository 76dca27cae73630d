use std::path::Path;

use super::*;

fn read(text: &str) -> Result<AccountFile, String> {
    AccountFile::read(Path::new("account.toml"), text.to_owned()).map_err(|error| error.to_string())
}

fn users(text: &str) -> BTreeMap<String, User> {
    let mut mint = Mint::seeded_by_system().expect("random bytes");
    read(text).expect("a good file").users(&KeptKeys::default(), &mut mint).expect("good users")
}

#[test]
fn what_is_left_out_is_made_up_and_what_is_given_is_not_repeated() {
    let users = users(
        "id = '123456789012'\n[users.alice]\n[users.bob]\naccess_key_id = 'AKIABOB0000000000000'\n\
         secret_access_key = 'of bob'\n[users.carol]\nsecret_access_key = 'of carol'\n",
    );
    let alice = users["alice"].made_up();
    assert_eq!(users["alice"].arn, "arn:aws:iam::123456789012:user/alice");
    assert!(alice.access_key_id.starts_with("AKIA") && alice.access_key_id.len() == 20);
    assert_eq!(alice.secret_access_key.map(str::len), Some(40));
    let bob = users["bob"].made_up();
    assert_eq!((bob.access_key_id, bob.secret_access_key), ("AKIABOB0000000000000", None));
    assert_eq!(users["bob"].secret.expose(), "of bob");
    assert_eq!(users["carol"].made_up().secret_access_key, None);
    assert!(!format!("{users:?}").contains("of bob"));
}

#[test]
fn a_device_has_the_files_seed_or_one_made_up() {
    let users = users(
        "[users.alice]\nmfa_seed = 'JBSWY3DPEHPK3PXP'\n[users.bob]\nmfa_serial = 'GAHT12345678'\n\
         [users.carol]\n",
    );
    let of = |name: &str| users[name].made_up();
    assert_eq!(of("alice").mfa_serial, Some("arn:aws:iam::000000000000:mfa/alice"));
    assert!(of("alice").mfa_seed.is_none(), "it is in the file");
    assert_eq!(of("bob").mfa_serial, Some("GAHT12345678"));
    assert_eq!(of("bob").mfa_seed.map(|seed| seed.len()), Some(32));
    assert!(of("carol").mfa_serial.is_none() && users["carol"].mfa.is_none());
    assert!(!format!("{users:?}").contains("JBSWY3DPEHPK3PXP"));
}

#[test]
fn policies_lie_beside_the_file_and_errors_name_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("good.json", r#"{"Version": "2012-10-17", "Statement": []}"#);
    write("bad.json", r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Maybe"}]}"#);
    let load = |text: &str| {
        write("account.toml", text);
        let file = AccountFile::load(&folder.path().join("account.toml")).expect("TOML");
        let mut mint = Mint::seeded_by_system().expect("random bytes");
        let loaded =
            file.users(&KeptKeys::default(), &mut mint).and_then(|_| file.roles(&mut mint));
        loaded.map(|roles| roles.len()).map_err(|error| error.to_string())
    };
    let trust = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}"#;
    write("trust.json", trust);
    let good = "[users.a]\npolicies = ['good.json']\n[roles.r]\ntrust = 'trust.json'\npolicies = ['good.json']";
    assert_eq!(load(good), Ok(1));
    let error = load("[users.a]\npolicies = ['good.json',\n'bad.json']").expect_err("bad");
    assert!(error.contains("account.toml:3: 'bad.json']: bad.json, statement 1: "), "{error}");
    let error = load("[users.a]\npolicies = ['none.json']").expect_err("missing");
    assert!(
        error.contains("account.toml:2: policies: ") && error.contains("none.json: No such"),
        "{error}"
    );
    let error = load("[roles.r]\ntrust = 'good.json'\npolicies = ['bad.json']").expect_err("bad");
    assert!(error.contains("account.toml:3: policies: bad.json, statement 1"), "{error}");
}

#[test]
fn nodes_have_what_the_file_says_and_else_what_is_usual() {
    let file = read(
        "[nodes.i-0123456789abcdef0]\nname = 'web'\ntags = { Env = 'prod' }\nip = '10.0.0.5'\n\
         ping_status = 'ConnectionLost'\nagent_version = '3.3.1.0'\n\
         [nodes.mi-0123456789abcdef0]\ntags = { Name = 'mine' }\n",
    );
    let template = Node { platform_name: "Linux".to_owned(), ..Node::default() };
    let nodes = file.expect("a good file").nodes(&template);
    let [web, mine] = &nodes[..] else { panic!("{nodes:?}") };
    assert_eq!((web.name.as_str(), web.ip.as_str(), web.ec2), ("web", "10.0.0.5", true));
    assert_eq!(
        (web.ping_status, web.agent_version.as_str()),
        (PingStatus::ConnectionLost, "3.3.1.0")
    );
    assert_eq!(web.all_tags().collect::<Vec<_>>(), [("Name", "web"), ("Env", "prod")]);
    assert_eq!(web.platform_name, "Linux");
    assert_eq!((mine.name.as_str(), mine.ec2), ("mine", false));
}

#[test]
fn every_error_names_key_and_line_and_no_secret() {
    for (text, error) in [
        ("\nid = '1'", "account.toml:2: id: an account's id has twelve digits"),
        ("account = '1'", "account.toml:1: account: unknown field `account`, expected one of"),
        ("[users.alice]\nsecret = 'x'", "account.toml:2: secret: unknown field `secret`"),
        ("[users.'a b']\n", "account.toml:1: [users.'a b']: a name has 1 to 64"),
        (
            "[users.a]\naccess_key_id = 'short'",
            "account.toml:2: access_key_id: an access key's id has 16 to 128",
        ),
        (
            "[users.a]\naccess_key_id = 'AKIA0000000000000000'\n[users.b]\n\
             access_key_id = 'AKIA0000000000000000'",
            "account.toml:4: access_key_id: another user has this access key",
        ),
        (
            "[nodes.i-0123456789abcdef0]\nping_status = 'Gone'",
            "account.toml:2: ping_status: unknown variant `Gone`",
        ),
        ("[nodes.i-1]\n", "account.toml:1: [nodes.i-1]: a node's id is i- or mi-"),
        (
            "[nodes.i-0123456789abcdef0]\nagent_version = '3'",
            "account.toml:2: agent_version: a version has four numbers",
        ),
        ("[users.a]\nsecret_access_key = ''", "account.toml:2: secret_access_key: a secret must"),
        ("[users.a]\nmfa_seed = '1'", "account.toml:2: mfa_seed: a seed is base32"),
        ("[users.a]\nmfa_seed = ''", "account.toml:2: mfa_seed: a seed is base32"),
        ("[roles.r]\npolicies = []", "account.toml:1: [roles.r]: missing field `trust`"),
        (
            "[roles.r]\ntrust = 't'\nmax_session_duration = 60",
            "account.toml:3: max_session_duration: a role's keys are good for",
        ),
        ("id = ", "account.toml:1: id: "),
    ] {
        let found = read(text).err().expect(text);
        assert!(found.starts_with(error), "{text}: {found}");
    }
    for line in [
        "secret_access_key = 'hidden' x",
        "secret_access_key = hidden",
        "secret_access_key hidden",
        "secret_access_key: hidden",
        "mfa_seed = ['hidden']",
    ] {
        let broken = read(&format!("[users.a]\n{line}")).err().expect(line);
        assert!(broken.starts_with("account.toml:2: "), "{line}: {broken}");
        assert!(!broken.contains("hidden"), "{line}: {broken}");
    }
}
