//! docs/recipes.md: the databases, each a real server at the other end of the tunnel, with a certificate
//! for the name that it has in the recipe.

use std::fs;

use crate::{
    support::{Mariadb, Postgres, Program, Reader, Recipe, Redis, command, find_tool, free_port},
    tls::{Flaw, certify},
};

#[test]
fn postgresql_is_asked_with_its_real_name_checked() {
    let (reader, postgres) = (Reader::new(), shop());
    certified(&reader, RDS);
    postgres.take_tls(&reader.work(""));
    let recipe = Recipe::of("PostgreSQL", "sh").with("15432", free_port());
    let recipe = recipe.with(&format!("{RDS}:5432"), format!("127.0.0.1:{}", postgres.port));
    let input = "\\conninfo\nSELECT current_user, 6 * 7;\n";
    let shown = reader.follows(&recipe, input).success();
    assert!(shown.contains("app") && shown.contains("42"), "{shown}");
    assert!(shown.contains("TLS"), "{shown}");

    // What goes wrong most.
    let wrong = recipe.with(&format!("host={RDS}"), "host=127.0.0.1");
    let failed = reader.follows(&wrong, input);
    assert_eq!(failed.code(), 2, "{failed:#?}");
    assert!(failed.stderr.contains("does not match host name \"127.0.0.1\""), "{failed:#?}");
}

#[test]
fn programs_with_jdbc_find_a_port_that_stays() {
    let (reader, postgres, port) = (Reader::new(), shop(), free_port());
    let recipe = Recipe::of("DBeaver, DataGrip and others with JDBC", "sh").with("15432", port);
    let recipe = recipe.with(&format!("{RDS}:5432"), format!("127.0.0.1:{}", postgres.port));
    let forward = reader.starts(&recipe);
    forward.wait_for_stderr(|line| line.starts_with("Forwarding "));
    for _ in 0..2 {
        assert_eq!(Postgres::query(port, "SELECT 6 * 7"), "42\n");
    }
}

#[test]
fn mysql_is_asked_over_tls() {
    let reader = Reader::new();
    certified(&reader, RDS);
    let mariadb = Mariadb::start(&reader.work(""));
    let recipe = Recipe::of("MySQL and MariaDB", "sh").with("13306", free_port());
    let recipe = recipe.with(&format!("{RDS}:3306"), format!("127.0.0.1:{}", mariadb.port));
    let input = "SELECT database(), 6 * 7; SHOW STATUS LIKE 'Ssl_version';\n";
    let shown = reader.follows(&recipe, input).success();
    assert!(shown.contains("shop\t42\n") && shown.contains("TLSv1."), "{shown}");

    // Who has the name checked has to have it in /etc/hosts.
    let checked = recipe.with("--loose-skip-ssl-verify", "--ssl-verify");
    let refused = reader.follows(&checked, input);
    assert_eq!(refused.code(), 1, "{refused:#?}");
    assert!(refused.stderr.contains("TLS/SSL error"), "{refused:#?}");
}

#[test]
fn redis_is_asked_over_tls() {
    let name = "shop.c1a2b3.euw1.cache.amazonaws.com";
    let reader = Reader::new();
    certified(&reader, name);
    let redis = Redis::with_tls(&reader.work(""));
    let recipe = Recipe::of("Redis", "sh").with("16379", free_port());
    let recipe = recipe.with(&format!("{name}:6379"), format!("127.0.0.1:{}", redis.port));
    let ask = |authority: &str| {
        let mut shell = reader.command(recipe.text(), "SET key there\nGET key\n");
        // In the place of the system's authorities, which know Amazon's.
        shell.env("SSL_CERT_FILE", reader.work(authority));
        Program::run(shell)
    };
    assert_eq!(ask("rds.pem").success(), "OK\nthere\n");
    let refused = ask("other.pem");
    assert_eq!(refused.stdout, "", "{refused:#?}");
    assert!(refused.stderr.contains("certificate verify failed"), "{refused:#?}");
}

/// A PostgreSQL that has what the recipes name.
pub fn shop() -> Postgres {
    let postgres = Postgres::start();
    Postgres::query(postgres.port, "CREATE ROLE app LOGIN");
    Postgres::query(postgres.port, "CREATE DATABASE shop OWNER app");
    postgres
}

/// Puts a certificate for `name` where the reader works, with `rds.pem` for its authority, and
/// `other.pem`, which vouches for nobody.
pub fn certified(reader: &Reader, name: &str) {
    let folder = reader.work("");
    certify(&folder, &format!("DNS:{name}"), Flaw::None);
    fs::rename(reader.work("ca.pem"), reader.work("rds.pem")).expect("the authority");
    fs::copy(reader.work("rds.pem"), reader.work("ca.pem")).expect("its copy");
    let mut openssl = command(find_tool("openssl"));
    openssl.args("req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem".split(' '));
    openssl.args(["-subj", "/CN=Other"]).current_dir(folder);
    Program::run(openssl).success();
}

const RDS: &str = "shop.c1a2b3.eu-west-1.rds.amazonaws.com";
