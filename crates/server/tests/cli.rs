//! The program as scripts and operators use it: its output, its exit statuses, with a server
//! running and without.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// Within this, everything that is waited for here has happened, on a slow machine too.
const DEADLINE: Duration = Duration::from_secs(30);

fn palaver(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palaver"));
    command.args(arguments);
    // What stands in the developer's environment is no part of the test.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PALAVER_") {
            command.env_remove(name);
        }
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    palaver(arguments).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs what must succeed and returns its output.
fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
    assert_eq!(stderr(&output), "", "{arguments:?}");
    stdout(&output).to_owned()
}

/// Runs what must be refused and returns the reason, without the lines after the first.
fn refuse(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{arguments:?}: {}",
        stdout(&output)
    );
    assert_eq!(stdout(&output), "", "{arguments:?}");
    // A server may have logged something before.
    let words = stderr(&output)
        .lines()
        .find(|line| line.starts_with("palaver: "));
    words
        .unwrap_or_else(|| panic!("{arguments:?}: no reason in\n{}", stderr(&output)))
        .to_owned()
}

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "one line of JSON: {text}");
    serde_json::from_str(text).unwrap()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> String {
        self.at("data")
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn serve(&self, arguments: &[&str]) -> Server {
        Server::start(&self.data(), arguments)
    }
}

/// A running server; killed when the test is over.
struct Server {
    child: Child,
    lines: Receiver<String>,
    address: String,
}

impl Server {
    fn start(data: &str, arguments: &[&str]) -> Self {
        let mut child = palaver(&["serve", "--data", data, "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .for_each(|line| drop(sender.send(line)));
        });
        let first = lines
            .recv_timeout(DEADLINE)
            .unwrap_or_else(|_| panic!("the server did not say that it listens"));
        let address = first
            .strip_prefix("listening on http://")
            .unwrap()
            .to_owned();
        Self {
            child,
            lines,
            address,
        }
    }

    fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let host = &self.address;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        )
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server did not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_not_understood_ends_with_2() {
    for arguments in [
        &[][..],
        &["sing"],
        &["serve", "--port", "5"],
        &["app"],
        &["app", "create"],
        &["app", "create", "x", "--identity", "secret"],
        &["token", "sign", "--app", "x"],
        &[
            "token",
            "sign",
            "--app",
            "x",
            "--subject",
            "u",
            "--role",
            "king",
        ],
        &[
            "token",
            "sign",
            "--app",
            "x",
            "--subject",
            "u",
            "--ttl",
            "soon",
        ],
        &["key", "revoke"],
        &["backup"],
        &["serve", "--set", "nonsense"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert!(!stderr(&output).is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"]] {
        assert!(run(arguments).status.success(), "{arguments:?}");
    }
}

#[test]
fn apps_keys_and_tokens_are_the_same_with_a_server_and_without() {
    for with_server in [false, true] {
        let folder = Folder::new();
        let data = folder.data();
        let server = with_server.then(|| folder.serve(&[]));
        let create = [
            "app",
            "create",
            "shop",
            "--data",
            &data,
            "--default",
            "--json",
        ];
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
        succeed(&[
            "app",
            "create",
            "toys",
            "--data",
            &data,
            "--identity",
            "open",
            "--default",
        ]);
        let apps = json(&succeed(&["app", "list", "--data", &data, "--json"]));
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
        let key = json(&succeed(&[
            "key", "create", "--data", &data, "--app", "shop", "--scope", "server", "--json",
        ]));
        let (number, key) = (
            key["id"].to_string(),
            key["key"].as_str().unwrap().to_owned(),
        );
        succeed(&["key", "revoke", &number, "--data", &data]);
        succeed(&["key", "revoke", text("client_key"), "--data", &data]);
        let listed = succeed(&[
            "key",
            "list",
            "--data",
            &data,
            "--app",
            text("id"),
            "--json",
        ]);
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
        assert!(refuse(&["key", "revoke", "pk_wrong", "--data", &data]).contains("no such key"));
        assert!(
            refuse(&["key", "revoke", "4711", "--data", &data])
                .contains("no key has the number 4711")
        );

        // Tokens, by the app's name or id.
        for named in ["shop", text("id")] {
            let token = succeed(&[
                "token",
                "sign",
                "--data",
                &data,
                "--app",
                named,
                "--subject",
                "u1",
                "--role",
                "vendor",
                "--ttl",
                "60",
            ]);
            check_token(token.trim_end(), text("secret"));
        }
        let nobody = refuse(&[
            "token",
            "sign",
            "--data",
            &data,
            "--app",
            "nobody",
            "--subject",
            "u1",
        ]);
        assert!(nobody.contains("there is no app \"nobody\""), "{nobody}");
        assert!(refuse(&["app", "create", " ", "--data", &data]).contains("1 to 64 characters"));

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
    let now = server::writer::now();
    let verified = server::identity::verify(&app, token, now).unwrap();
    assert_eq!(verified.subject.id.text, "u1");
    assert_eq!(verified.subject.role, Some(chat::Role::Vendor));
    let left = verified.expires_at.unwrap().0 - now.0;
    assert!((50_000..=66_000).contains(&left), "{left}");
}

#[test]
fn public_keys_are_checked_before_they_are_stored() {
    let folder = Folder::new();
    let (data, file) = (folder.data(), folder.at("key.pem"));
    let create = [
        "app",
        "create",
        "shop",
        "--data",
        &data,
        "--public-key",
        &file,
        "--json",
    ];
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
    let words = refuse(&["app", "list", "--data", &data]);
    assert!(words.contains("there is no folder"), "{words}");
    assert!(!Path::new(&data).exists());
    succeed(&["app", "create", "first", "--data", &data]);
    let mode = fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn one_server_a_folder_and_the_socket_is_private() {
    let folder = Folder::new();
    let data = folder.data();
    let mut server = folder.serve(&[]);
    let socket = Path::new(&data).join("palaver.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let words = refuse(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
    let pid = server.child.id();
    assert!(words.contains(&format!("process {pid}")), "{words}");

    // What a killed server leaves behind disturbs nobody.
    server.child.kill().unwrap();
    server.ended();
    assert!(socket.exists());
    succeed(&["app", "create", "one", "--data", &data]);
    let mut server = folder.serve(&[]);
    succeed(&["app", "create", "two", "--data", &data]);
    server.signal("-TERM");
    assert_eq!(server.ended().code(), Some(0));
    assert!(!socket.exists());
    let apps = json(&succeed(&["app", "list", "--data", &data, "--json"]));
    assert_eq!(apps.as_array().unwrap().len(), 2);
}

#[test]
fn a_path_too_long_for_a_socket_works() {
    let folder = Folder::new();
    let data = folder.at(&"long".repeat(40));
    let server = Server::start(&data, &[]);
    succeed(&["app", "create", "shop", "--data", &data]);
    assert!(succeed(&["app", "list", "--data", &data]).contains("shop"));
    drop(server);
}

#[test]
fn the_socket_answers_what_it_does_not_understand_and_lives_on() {
    let folder = Folder::new();
    let data = folder.data();
    let server = folder.serve(&[]);
    let connect = || {
        let stream = UnixStream::connect(Path::new(&data).join("palaver.sock")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    };
    for line in [
        "\n",
        "{}\n",
        "[\n",
        "{\"request\":\"shut_down\"}\n",
        "{\"request\":\"backup\",\"folder\":\"here\"}\n",
    ] {
        let mut stream = connect();
        stream.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert_eq!(json(&answer)["answer"], "refused", "{line:?}");
    }
    let mut long = connect();
    // The server answers after its limit and may go away before all is written.
    let _ = long.write_all("x".repeat(1 << 20).as_bytes());
    let mut answer = String::new();
    BufReader::new(long).read_line(&mut answer).unwrap();
    assert_eq!(json(&answer)["answer"], "refused");
    let _idle: Vec<_> = (0..4).map(|_| connect()).collect();
    succeed(&["app", "create", "shop", "--data", &data]);
    drop(server);
}

#[test]
fn a_backup_is_a_folder_to_serve_from() {
    let folder = Folder::new();
    let (data, copy) = (folder.data(), folder.at("copy"));
    let server = folder.serve(&[]);
    succeed(&[
        "app",
        "create",
        "shop",
        "--data",
        &data,
        "--identity",
        "open",
        "--default",
    ]);
    succeed(&["backup", "--data", &data, "--to", &copy]);
    succeed(&["app", "create", "later", "--data", &data]);
    let again = refuse(&["backup", "--data", &data, "--to", &copy]);
    assert!(again.contains("empty"), "{again}");
    drop(server);

    let restored = Server::start(&copy, &[]);
    let apps = json(&succeed(&["app", "list", "--data", &copy, "--json"]));
    assert_eq!(apps.as_array().unwrap().len(), 1);
    assert_eq!(apps[0]["name"], "shop");
    assert_eq!(restored.get("/readyz", ""), (200, "ready\n".to_owned()));
    drop(restored);
    // Without a server, and to a relative path.
    let output = palaver(&["backup", "--data", "data", "--to", "second"])
        .current_dir(folder.0.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(succeed(&["app", "list", "--data", &folder.at("second")]).contains("later"));
}

#[test]
fn an_open_app_is_not_served_to_others_unless_that_is_allowed() {
    let folder = Folder::new();
    let data = folder.data();
    succeed(&[
        "app",
        "create",
        "believer",
        "--data",
        &data,
        "--identity",
        "open",
    ]);
    let serve = ["serve", "--data", &data, "--listen", "0.0.0.0:0"];
    let words = refuse(&serve);
    assert!(
        words.contains("\"believer\"") && words.contains("allow_open_on_public_address"),
        "{words}"
    );
    let words = refuse(&[
        "serve",
        "--data",
        &folder.at("new"),
        "--listen",
        "[::]:0",
        "--demo",
    ]);
    assert!(words.contains("\"demo\""), "{words}");
    drop(Server::start(&data, &["--listen", "127.0.0.1:0"]));

    // A proxy that is trusted makes a loopback address public; and such a server makes no open app.
    let other = folder.at("other");
    let public = Server::start(&other, &["--set", "proxies.trusted=127.0.0.1"]);
    let words = refuse(&["app", "create", "x", "--identity", "open", "--data", &other]);
    assert!(words.contains("--identity verified"), "{words}");
    succeed(&["app", "create", "x", "--data", &other]);
    drop(public);
    let allowed = Server::start(
        &other,
        &[
            "--set",
            "proxies.trusted=127.0.0.1",
            "--set",
            "identity.allow_open_on_public_address=true",
        ],
    );
    succeed(&["app", "create", "y", "--identity", "open", "--data", &other]);
    drop(allowed);
}

#[test]
fn health_readiness_and_metrics() {
    let folder = Folder::new();
    let server = folder.serve(&[
        "--set",
        "proxies.trusted=127.0.0.1",
        "--set",
        "metrics.allow=10.1.0.0/16",
    ]);
    assert_eq!(server.get("/healthz", ""), (200, "ok\n".to_owned()));
    assert_eq!(server.get("/readyz", ""), (200, "ready\n".to_owned()));
    let (status, page) = server.get("/metrics", "");
    assert_eq!(status, 200);
    for name in [
        "commits_total",
        "acked_messages_total",
        "deliveries_total",
        "frames_built_total",
        "write_calls_total",
    ] {
        assert!(
            page.contains(&format!("\npalaver_{name} ")),
            "{name} is not in\n{page}"
        );
    }
    assert_eq!(
        server.get("/metrics", "X-Forwarded-For: 10.1.2.3\r\n").0,
        200
    );
    assert_eq!(
        server.get("/metrics", "X-Forwarded-For: 10.2.2.3\r\n").0,
        404
    );
    assert_eq!(server.get("/nothing", "").0, 404);
}

#[test]
fn the_configuration_is_printed_and_checked() {
    let folder = Folder::new();
    let file = folder.at("palaver.toml");
    let example = succeed(&["config", "default"]);
    assert_eq!(example, server::config::example());
    fs::write(&file, &example).unwrap();
    assert_eq!(
        succeed(&["config", "check", "--config", &file]),
        "The configuration is good.\n"
    );
    fs::write(&file, "[limits]\nconnections = 7\n").unwrap();
    let changed = succeed(&["config", "check", "--config", &file]);
    assert!(changed.contains("limits.connections 7"), "{changed}");
    fs::write(&file, "[limits]\nconections = 7\n").unwrap();
    let words = refuse(&["config", "check", "--config", &file]);
    assert!(words.contains("palaver.toml:2: there is no setting limits.conections; did you mean limits.connections?"), "{words}");
    // A server does not start on it either.
    let words = refuse(&["serve", "--config", &file, "--data", &folder.data()]);
    assert!(words.contains("conections"), "{words}");
    assert!(
        refuse(&["serve", "--listen", "here"])
            .contains("--listen: server.listen must be an address")
    );
    let output = palaver(&["config", "check"])
        .env("PALAVER_LIMITS_NAMESPACES", "none")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("PALAVER_LIMITS_NAMESPACES: limits.namespaces must be"));
}

#[test]
fn an_address_that_is_taken_is_said() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let words = refuse(&[
        "serve",
        "--data",
        &folder.data(),
        "--listen",
        &address,
        "--set",
        "log.level=error",
    ]);
    assert!(
        words.contains(&format!("cannot listen on {address}")),
        "{words}"
    );
}

/// The folder with socket.io-client in it, as `make test` prepares it.
fn node_modules() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compliance");
    if folder.join("node_modules/socket.io-client").exists() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "socket.io-client must be installed in {}",
        folder.display()
    );
    eprintln!(
        "SKIPPED: the demo's program is not run, for socket.io-client is not in {}",
        folder.display()
    );
    None
}

#[test]
fn the_demo_prints_a_program_that_works() {
    let folder = Folder::new();
    let data = folder.data();
    for earlier in [
        "Ada finds 0 earlier messages",
        "Ada finds 2 earlier messages",
    ] {
        let server = folder.serve(&["--demo"]);
        let mut printed = Vec::new();
        while printed.last().is_none_or(|line| line != "END") {
            printed.push(
                server
                    .lines
                    .recv_timeout(DEADLINE)
                    .expect("the demo's program"),
            );
        }
        let text = printed.join("\n");
        assert!(
            text.contains(&format!("url         http://{}", server.address)),
            "{text}"
        );
        assert!(text.contains("client key  demo"), "{text}");
        let apps = json(&succeed(&["app", "list", "--data", &data, "--json"]));
        assert_eq!(
            apps.as_array().unwrap().len(),
            1,
            "the demo's app is made once"
        );
        let Some(modules) = node_modules() else {
            return;
        };
        // What is pasted installs the client first; here it is installed already.
        let begin = printed
            .iter()
            .position(|line| line.starts_with("npm install"))
            .unwrap();
        let pasted = printed[begin..].join("\n");
        let (install, rest) = pasted.split_once(" && ").unwrap();
        assert_eq!(install, "npm install --silent socket.io-client");
        let output = Command::new("timeout")
            .args(["30", "bash", "-c", rest])
            .current_dir(modules)
            .output()
            .unwrap();
        let said = stdout(&output);
        assert!(output.status.success(), "{said}{}", stderr(&output));
        assert_eq!(stderr(&output), "");
        for line in [
            earlier,
            "Bob hears \"Hello Bob!\"",
            "Ada hears \"Hello Ada!\"",
            "Ada: \"Hello Bob!\" is on disk",
        ] {
            assert!(said.contains(line), "{line:?} is not in\n{said}");
        }
    }
}
