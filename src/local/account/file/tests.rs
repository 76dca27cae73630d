use std::path::Path;

use super::*;

fn read(text: &str) -> Result<AccountFile, String> {
    let source = Source { path: Path::new("account.toml"), text };
    let file: Result<AccountFile, _> = source.parse();
    file.and_then(|file| file.check_keys(&source).map(|()| file)).map_err(|error| error.to_string())
}

fn users(text: &str) -> BTreeMap<String, User> {
    read(text).expect("a good file").users(&mut Mint::seeded_by_system().expect("random bytes"))
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
        ("id = ", "account.toml:1: id: "),
    ] {
        let found = read(text).expect_err(text);
        assert!(found.starts_with(error), "{text}: {found}");
    }
    let broken = read("[users.a]\nsecret_access_key = 'hidden' x").expect_err("no TOML");
    assert!(!broken.contains("hidden"), "{broken}");
}
