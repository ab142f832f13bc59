//! The configuration as an operator meets it: files, variables, flags, and what is said when they
//! are wrong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{collections::HashSet, path::Path, time::Duration};

use server::config::{self, Config, LogFormat, SETTINGS, Sources};

fn load_text(text: &str) -> Result<Config, String> {
    load_with(text, &[], &[])
}

fn load_with(
    text: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("palaver.toml");
    std::fs::write(&file, text).unwrap();
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let sources = Sources {
        file: Some(&file),
        environment: environment.iter().map(owned).collect(),
        flags: flags
            .iter()
            .map(|(name, value)| ("--set".to_owned(), (*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    let folder = folder.path().display().to_string();
    config::load(&sources).map_err(|problems| problems.to_string().replace(&folder, ""))
}

#[test]
fn the_example_reads_as_the_defaults() {
    assert_eq!(load_text(&config::example()).unwrap(), Config::default());
}

#[test]
fn every_setting_is_in_the_example_once_and_has_words() {
    let example = config::example();
    let table: toml::Table = example.parse().unwrap();
    let mut names = HashSet::new();
    for setting in SETTINGS {
        let (section, key) = (setting.section, setting.key);
        assert!(
            table[section].as_table().unwrap().contains_key(key),
            "{section}.{key}"
        );
        assert!(!setting.words.is_empty(), "{section}.{key} has no words");
        assert!(
            names.insert((section, key)),
            "{section}.{key} is there twice"
        );
    }
}

#[test]
fn the_page_of_the_documentation_holds_the_example() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let block = page
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    assert!(
        block == config::example(),
        "docs/configuration.md must hold what `palaver config default` prints"
    );
}

#[test]
fn variables_win_over_the_file_and_flags_over_both() {
    let file =
        "[limits]\nconnections = 10\nnamespaces = 3\n[origins]\nallow = [\"https://a.example\"]\n";
    let config = load_with(
        file,
        &[
            ("PALAVER_LIMITS_CONNECTIONS", "20"),
            (
                "PALAVER_ORIGINS_ALLOW",
                "https://b.example, https://c.example",
            ),
            ("PALAVER_HEARTBEAT_INTERVAL_SECONDS", "0.3"),
            ("PALAVER_LOG_FORMAT", "json"),
            ("PALAVER_BIN", "not a setting"),
            ("HOME", "/nowhere"),
        ],
        &[("limits.connections", "1_000")],
    )
    .unwrap();
    assert_eq!(config.limits.connections, 1_000);
    assert_eq!(config.limits.namespaces, 3);
    assert_eq!(
        config.origins.allow,
        ["https://b.example", "https://c.example"]
    );
    assert_eq!(
        config.heartbeat.interval_seconds,
        Duration::from_millis(300)
    );
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_would_be_right() {
    let cases = [
        (
            "[server]\nlisten = \"127.0.0.1:1\"\n\nlisen = \"127.0.0.1:2\"\n",
            "/palaver.toml:4: there is no setting server.lisen; did you mean server.listen?",
        ),
        (
            "[limit]\nconnections = 1\n",
            "/palaver.toml:1: there is no section [limit]; did you mean [limits]?",
        ),
        ("[zzz]\n", "/palaver.toml:1: there is no section [zzz]"),
        (
            "[server]\nconnections = 5\n",
            "/palaver.toml:2: there is no setting server.connections; connections belongs to [limits]",
        ),
        (
            "server = 5\n",
            "/palaver.toml:1: server must be a section: [server]",
        ),
        (
            "[limits]\nconnections = 0\n",
            "/palaver.toml:2: limits.connections must be a whole number from 1 to 10000000, not 0",
        ),
        (
            "[limits]\nconnections = -4\n",
            "/palaver.toml:2: limits.connections must be a whole number from 1 to 10000000, not -4",
        ),
        (
            "[limits]\nconnections = \"many\"\n",
            "/palaver.toml:2: limits.connections must be a whole number from 1 to 10000000, not \"many\"",
        ),
        (
            "[server]\nlisten = \"localhost\"\n",
            "/palaver.toml:2: server.listen must be an address and a port, like 127.0.0.1:3000 or [::1]:3000, not \"localhost\"",
        ),
        (
            "[log]\nformat = \"xml\"\n",
            "/palaver.toml:2: log.format must be \"text\" or \"json\", not \"xml\"",
        ),
        (
            "[identity]\nallow_open_on_public_address = \"yes\"\n",
            "/palaver.toml:2: identity.allow_open_on_public_address must be true or false, not \"yes\"",
        ),
        (
            "[heartbeat]\ninterval_seconds = true\n",
            "/palaver.toml:2: heartbeat.interval_seconds must be a number of seconds from 0.05 to 3600, not true",
        ),
        (
            "[origins]\nallow = \"*\"\n",
            "/palaver.toml:2: origins.allow must be a list of strings, not \"*\"",
        ),
        (
            "[origins]\nallow = [\"*\", \"https://a.example\"]\n",
            "/palaver.toml: origins.allow is wrong: the origin `*` stands for everybody and must stand alone",
        ),
        (
            "[proxies]\ntrusted = [\"ten\"]\n",
            "/palaver.toml: proxies.trusted is wrong: `ten` is neither an address nor a network like 10.0.0.0/8",
        ),
        (
            "[tls]\ncertificate = \"cert.pem\"\n",
            "/palaver.toml: tls.key must be set, because tls.certificate is",
        ),
        (
            "[server]\npath = \"socket.io\"\n",
            "/palaver.toml: server.path must start and end with a slash, like /socket.io/, not \"socket.io\"",
        ),
        (
            "[dialects]\nenabled = [\"dirct\"]\n",
            "/palaver.toml: dialects.enabled names \"dirct\", which is none; did you mean \"direct\"?",
        ),
        (
            "[dialects]\nenabled = []\n",
            "/palaver.toml: dialects.enabled must name at least one dialect",
        ),
    ];
    for (text, words) in cases {
        assert_eq!(load_text(text).unwrap_err(), words, "for\n{text}");
    }
    let broken = load_text("[server]\nlisten = \n").unwrap_err();
    assert!(broken.starts_with("/palaver.toml:2: "), "{broken}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let words = load_with(
        "[server]\nlisen = 1\n[limits]\nnamespaces = 0\n",
        &[
            ("PALAVER_LIMITS_CONECTIONS", "1"),
            ("PALAVER_SERVER_THREADS", "x"),
        ],
        &[("limits.atachments", "1"), ("nothing", "1")],
    )
    .unwrap_err();
    let lines: Vec<_> = words.lines().collect();
    assert_eq!(lines.len(), 6, "{words}");
    assert!(
        lines[2].starts_with("PALAVER_LIMITS_CONECTIONS: there is no setting"),
        "{words}"
    );
    assert!(
        lines[2].ends_with("did you mean limits.connections?"),
        "{words}"
    );
    assert!(
        lines[4].starts_with("--set: there is no setting limits.atachments"),
        "{words}"
    );
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let sources = Sources {
        file: Some(Path::new("/nowhere/palaver.toml")),
        ..Sources::default()
    };
    let words = config::load(&sources).unwrap_err().to_string();
    assert!(
        words.starts_with("/nowhere/palaver.toml: cannot be read"),
        "{words}"
    );
}

#[test]
fn the_default_rate_lets_a_burst_of_200_pass_and_zero_switches_it_off() {
    let rate = Config::default().hub_config().rate.unwrap();
    assert_eq!(rate.burst.get(), 200);
    let off = load_text("[limits]\nevents_per_second = 0\n").unwrap();
    assert!(off.hub_config().rate.is_none());
}

#[test]
fn only_an_address_that_others_can_reach_forbids_open_apps() {
    let cases = [
        ("", false),
        ("[server]\nlisten = \"[::1]:1\"\n", false),
        ("[server]\nlisten = \"127.8.0.1:1\"\n", false),
        ("[server]\nlisten = \"0.0.0.0:1\"\n", true),
        ("[server]\nlisten = \"[::]:1\"\n", true),
        ("[server]\nlisten = \"10.1.2.3:1\"\n", true),
        // A proxy on this machine brings in the world.
        ("[proxies]\ntrusted = [\"127.0.0.1\"]\n", true),
        (
            "[server]\nlisten = \"0.0.0.0:1\"\n[identity]\nallow_open_on_public_address = true\n",
            false,
        ),
    ];
    for (text, forbids) in cases {
        assert_eq!(
            load_text(text).unwrap().forbids_open_apps(),
            forbids,
            "for\n{text}"
        );
    }
}
