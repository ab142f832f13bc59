//! The commands that end at once.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::program::{Folder, json, palaver, refuse, run, stderr, stdout, succeed};

#[test]
fn what_is_not_understood_ends_with_2() {
    for arguments in [
        "",
        "sing",
        "serve --port 5",
        "serve --listen here",
        "serve --set nonsense",
        "app",
        "app create",
        "app create x --identity secret",
        "token sign --app x",
        "token sign --app x --subject u --role king",
        "token sign --app x --subject u --ttl soon",
        "token sign --app x --subject u --subscriber-months 1201",
        "key revoke",
        "backup",
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert_eq!(stdout(&output), "", "{arguments}");
        assert!(!stderr(&output).is_empty(), "{arguments}");
    }
    for arguments in ["--help", "--version", "serve --help"] {
        assert!(run(arguments).status.success(), "{arguments}");
    }
}

#[test]
fn apps_keys_and_tokens_are_the_same_with_a_server_and_without() {
    for with_server in [false, true] {
        let folder = Folder::new();
        let data = folder.data();
        let server = with_server.then(|| folder.serve(""));
        let create = format!("app create shop --data {data} --default --json");
        let app = json(&succeed(&create));
        let names: Vec<_> = app
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(names, ["client_key", "id", "name", "secret", "server_key"]);
        let text = |name: &str| app[name].as_str().unwrap();
        assert!(text("client_key").starts_with("pk_") && text("server_key").starts_with("sk_"));
        assert!(text("secret").len() >= 40);

        // The same name is refused, in words.
        assert!(refuse(&create).contains("there is an app \"shop\" already"));

        // The last default is the default.
        succeed(&format!(
            "app create toys --data {data} --identity open --default"
        ));
        let apps = json(&succeed(&format!("app list --data {data} --json")));
        let lines: Vec<_> = apps
            .as_array()
            .unwrap()
            .iter()
            .map(|app| {
                (
                    app["name"].as_str().unwrap(),
                    app["identity"].as_str().unwrap(),
                    app["default"].as_bool().unwrap(),
                )
            })
            .collect();
        assert_eq!(lines, [("shop", "verified", false), ("toys", "open", true)]);

        // Keys: made, listed without their text, revoked by number or text.
        let key = json(&succeed(&format!(
            "key create --data {data} --app shop --scope server --json"
        )));
        let (number, key) = (
            key["id"].to_string(),
            key["key"].as_str().unwrap().to_owned(),
        );
        succeed(&format!("key revoke {number} --data {data}"));
        succeed(&format!("key revoke {} --data {data}", text("client_key")));
        let listed = succeed(&format!(
            "key list --data {data} --app {} --json",
            text("id")
        ));
        assert!(
            !listed.contains(&key) && listed.contains(&key[..9]),
            "{listed}"
        );
        let revoked: Vec<_> = json(&listed)
            .as_array()
            .unwrap()
            .iter()
            .map(|key| !key["revoked_at"].is_null())
            .collect();
        assert_eq!(revoked, [true, false, true]);
        assert!(refuse(&format!("key revoke pk_wrong --data {data}")).contains("no such key"));
        assert!(
            refuse(&format!("key revoke 4711 --data {data}"))
                .contains("no key has the number 4711")
        );

        // Tokens, by the app's name or id.
        for named in ["shop", text("id")] {
            let token = succeed(&format!(
                "token sign --data {data} --app {named} --subject u1 --role vendor --ttl 60 \
                 --name Ada --follower-since 2026-03-01T12:30:05Z --subscriber-months 3"
            ));
            check_token(token.trim_end(), text("secret"));
        }
        let late = refuse(&format!(
            "token sign --data {data} --app shop --subject u1 --follower-since yesterday"
        ));
        assert!(late.contains("the time must be like"), "{late}");
        let nobody = refuse(&format!(
            "token sign --data {data} --app nobody --subject u1"
        ));
        assert!(nobody.contains("there is no app \"nobody\""), "{nobody}");
        let long = "x".repeat(65);
        let words = refuse(&format!("app create {long} --data {data}"));
        assert!(words.contains("1 to 64 characters"), "{words}");

        // Only hashes of keys are kept.
        drop(server);
        for entry in fs::read_dir(&data).unwrap() {
            let file = entry.unwrap().path();
            if let Ok(bytes) = fs::read(&file) {
                for key in [text("client_key"), text("server_key"), &key] {
                    let found = bytes
                        .windows(key.len())
                        .any(|window| window == key.as_bytes());
                    assert!(!found, "{} holds a key's text", file.display());
                }
            }
        }
    }
}

fn check_token(token: &str, secret: &str) {
    let app = chat::App {
        id: chat::AppId(1),
        uuid: uuid::Uuid::nil(),
        name: String::new(),
        identity: chat::Identity::Verified,
        is_default: false,
        max_text_bytes: 1,
        secret: chat::model::Secret(secret.to_owned()),
        public_keys: String::new(),
        created_at: chat::Timestamp(0),
    };
    let now = server::clock::system_time();
    let verified = server::identity::verify(&app, token, now).unwrap();
    assert_eq!(verified.subject.id.text, "u1");
    assert_eq!(verified.subject.role, Some(chat::Role::Vendor));
    assert_eq!(verified.subject.name.as_deref(), Some("Ada"));
    let standing = chat::room::Standing {
        follower_since: Some(chat::Timestamp(1_772_368_205_000)),
        subscriber_months: 3,
    };
    assert_eq!(verified.subject.standing, standing);
    let left = verified.expires_at.unwrap().0 - now.0;
    assert!((50_000..=66_000).contains(&left), "{left}");
}

#[test]
fn public_keys_are_checked_before_they_are_stored() {
    let folder = Folder::new();
    let (data, file) = (folder.data(), folder.at("key.pem"));
    let create = format!("app create shop --data {data} --public-key {file} --json");
    assert!(refuse(&create).contains("key.pem"));
    fs::write(
        &file,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    assert!(refuse(&create).contains("the public keys hold a private key"));
    // The public half of an Ed25519 key (RFC 8410, section 10.1).
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    fs::write(&file, public).unwrap();
    succeed(&create);
}

#[test]
fn a_folder_that_is_not_there_is_made_for_the_first_app_only() {
    let folder = Folder::new();
    let data = folder.data();
    let words = refuse(&format!("app list --data {data}"));
    assert!(words.contains("there is no folder"), "{words}");
    assert!(!Path::new(&data).exists());
    succeed(&format!("app create first --data {data}"));
    let mode = fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn the_configuration_is_printed_and_checked() {
    let folder = Folder::new();
    let file = folder.at("palaver.toml");
    let example = succeed("config default");
    assert_eq!(example, server::config::example());
    fs::write(&file, &example).unwrap();
    assert_eq!(
        succeed(&format!("config check --config {file}")),
        "The configuration is good.\n"
    );
    fs::write(&file, "[limits]\nconnections = 7\n").unwrap();
    let changed = succeed(&format!("config check --config {file}"));
    assert!(changed.contains("limits.connections 7"), "{changed}");
    fs::write(&file, "[limits]\nconections = 7\n").unwrap();
    let words = refuse(&format!("config check --config {file}"));
    assert!(words.contains("palaver.toml:2: there is no setting limits.conections; did you mean limits.connections?"), "{words}");
    // A server does not start on it either.
    let words = refuse(&format!("serve --config {file} --data {}", folder.data()));
    assert!(words.contains("conections"), "{words}");
    let words = refuse("config check --set server.listen=here");
    assert!(
        words.contains("--set server.listen: server.listen must be an address"),
        "{words}"
    );
    let output = palaver("config check")
        .env("PALAVER_LIMITS_NAMESPACES", "none")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("PALAVER_LIMITS_NAMESPACES: limits.namespaces must be"));
}
