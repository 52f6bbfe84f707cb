//! What a configuration accepts, refuses and shows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Error, Secret, Url, load, print_masked};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Config {
    http: Http,
    postgres: Postgres,
    note: Option<String>,
    rates: BTreeMap<String, u32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Http {
    port: u16,
    hosts: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Postgres {
    url: Url,
    password: Secret,
}

const DEFAULTS: &str = "
    # Free text.
    # note = \"\"
    [http]
    port = 8080
    hosts = [\"localhost\"]
    [postgres]
    url = \"postgres://usher:usher@localhost/usher\"
    password = \"\"
    [rates]
    join = 5
";

/// Loads with a file of this text and these variables.
fn load_with(file: &str, env: &[(&str, &str)]) -> Result<Config, Error> {
    let dir = tempfile::tempdir().expect("temp");
    let path = dir.path().join("usher.toml");
    std::fs::write(&path, file).expect("write");
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(DEFAULTS, Some(&path), env)
}

fn refused(file: &str, env: &[(&str, &str)]) -> String {
    load_with(file, env).expect_err("refused").to_string()
}

#[test]
fn a_later_layer_wins_key_by_key() {
    let file = "note = 'from file'\n[http]\nport = 1\nhosts = ['a', 'b']\n[rates]\nclaim = 7";
    let env = [
        ("USHER__HTTP__PORT", "2"),
        ("USHER__HTTP__HOSTS", "['c']"),
        ("USHER__POSTGRES__PASSWORD", "1234"),
        ("USHER__POSTGRES__URL", "postgres://other"),
        ("USHER__RATES__JOIN", "9"),
        ("USHER_HTTP", "not ours"),
        ("PATH", "/bin"),
    ];
    let config = load_with(file, &env).expect("valid");
    let wanted = Config {
        http: Http { port: 2, hosts: vec!["c".to_owned()] },
        postgres: Postgres { url: Url::new("postgres://other"), password: Secret::new("1234") },
        note: Some("from file".to_owned()),
        rates: BTreeMap::from([("claim".to_owned(), 7), ("join".to_owned(), 9)]),
    };
    assert_eq!(config, wanted);
    let defaults = load_with("", &[]).expect("valid");
    assert_eq!(defaults.http, Http { port: 8080, hosts: vec!["localhost".to_owned()] });
}

#[test]
fn an_unknown_key_is_named_with_its_origin() {
    let text = refused("[http]\nport = 1\nprot = 2", &[]);
    assert!(text.contains("`http.prot`") && text.contains("usher.toml"), "{text}");
    let text = refused("[postgres]\nuser = 'x'", &[]);
    assert!(text.contains("`postgres.user`") && text.contains("no such key"), "{text}");
    let text = refused("[htpp]", &[]);
    assert!(text.contains("`htpp`"), "{text}");
    let text = refused("", &[("USHER__HTTP__PROT", "1")]);
    assert!(text.contains("`http.prot`") && text.contains("USHER__HTTP__PROT"), "{text}");
    for name in ["USHER__", "USHER__HTTP__", "USHER__HTTP____PORT"] {
        assert!(refused("", &[(name, "1")]).contains(name));
    }
}

#[test]
fn a_wrong_type_is_named_with_its_origin() {
    let text = refused("[http]\nport = 'x'", &[]);
    assert!(text.contains("`http.port`") && text.contains("usher.toml"), "{text}");
    let text = refused("[http]\nport = 1", &[("USHER__HTTP__PORT", "70000")]);
    assert!(text.contains("`http.port`") && text.contains("USHER__HTTP__PORT"), "{text}");
    let text = refused("", &[("USHER__HTTP", "on")]);
    assert!(text.contains("`http`") && text.contains("USHER__HTTP"), "{text}");
    let text = refused("[postgres.url]\nhost = 'x'", &[]);
    assert!(text.contains("`postgres.url.host`"), "{text}");
}

#[test]
fn a_file_that_is_missing_or_broken_is_named() {
    let missing = load::<Config>(DEFAULTS, Some("no/such.toml".as_ref()), std::iter::empty());
    assert!(missing.expect_err("missing").to_string().contains("no/such.toml"));
    assert!(refused("[http", &[]).contains("usher.toml"));
}

#[test]
fn the_printed_configuration_hides_secrets_and_is_toml() {
    let config = load_with("[postgres]\npassword = 'hunter2'", &[]).expect("valid");
    let printed = print_masked(&config);
    assert!(!printed.contains("hunter2"));
    assert!(printed.contains("postgres://usher:***@localhost/usher"), "{printed}");
    let table: toml::Table = printed.parse().expect("toml");
    assert_eq!(table["http"]["port"].as_integer(), Some(8080));
    assert_eq!(table["postgres"]["password"].as_str(), Some("***"));
}

#[test]
fn a_variable_with_lines_of_its_own_sets_nothing_else() {
    let config = load_with("", &[("USHER__NOTE", "1\nevil = 2")]).expect("valid");
    assert_eq!(config.note.as_deref(), Some("1\nevil = 2"));
}
