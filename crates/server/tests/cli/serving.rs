//! The server as a process: its folder, its socket, its pages, its demo.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
};

use crate::program::{DEADLINE, Folder, Server, json, palaver, refuse, stderr, stdout, succeed};

#[test]
fn one_server_a_folder_and_the_socket_is_private() {
    let folder = Folder::new();
    let data = folder.data();
    let mut server = folder.serve("");
    let socket = Path::new(&data).join("palaver.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let words = refuse(&format!("serve --data {data} --listen 127.0.0.1:0"));
    let pid = server.child.id();
    assert!(words.contains(&format!("process {pid}")), "{words}");

    // What a killed server leaves behind disturbs nobody.
    server.child.kill().unwrap();
    server.ended();
    assert!(socket.exists());
    succeed(&format!("app create one --data {data}"));
    let mut server = folder.serve("");
    succeed(&format!("app create two --data {data}"));
    server.signal("-TERM");
    assert_eq!(server.ended().code(), Some(0));
    assert!(!socket.exists());
    let apps = json(&succeed(&format!("app list --data {data} --json")));
    assert_eq!(apps.as_array().unwrap().len(), 2);
}

#[test]
fn a_path_too_long_for_a_socket_works() {
    let folder = Folder::new();
    let data = folder.at(&"long".repeat(40));
    let server = Server::start(&data, "");
    succeed(&format!("app create shop --data {data}"));
    assert!(succeed(&format!("app list --data {data}")).contains("shop"));
    drop(server);
}

#[test]
fn the_socket_answers_what_it_does_not_understand_and_lives_on() {
    let folder = Folder::new();
    let data = folder.data();
    let server = folder.serve("");
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
    succeed(&format!("app create shop --data {data}"));
    drop(server);
}

#[test]
fn a_backup_is_a_folder_to_serve_from() {
    let folder = Folder::new();
    let (data, copy) = (folder.data(), folder.at("copy"));
    let server = folder.serve("");
    succeed(&format!(
        "app create shop --data {data} --identity open --default"
    ));
    succeed(&format!("backup --data {data} --to {copy}"));
    succeed(&format!("app create later --data {data}"));
    let again = refuse(&format!("backup --data {data} --to {copy}"));
    assert!(again.contains("empty"), "{again}");
    drop(server);

    let restored = Server::start(&copy, "");
    let apps = json(&succeed(&format!("app list --data {copy} --json")));
    assert_eq!(apps.as_array().unwrap().len(), 1);
    assert_eq!(apps[0]["name"], "shop");
    assert_eq!(restored.get("/readyz", ""), (200, "ready\n".to_owned()));
    drop(restored);
    // Without a server, and to a relative path.
    let output = palaver("backup --data data --to second")
        .current_dir(folder.0.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(succeed(&format!("app list --data {}", folder.at("second"))).contains("later"));
}

#[test]
fn an_open_app_is_not_served_to_others_unless_that_is_allowed() {
    let folder = Folder::new();
    let data = folder.data();
    succeed(&format!(
        "app create believer --data {data} --identity open"
    ));
    let serve = format!("serve --data {data} --listen 0.0.0.0:0");
    let words = refuse(&serve);
    assert!(
        words.contains("\"believer\"") && words.contains("allow_open_on_public_address"),
        "{words}"
    );
    let words = refuse(&format!(
        "serve --data {} --listen [::]:0 --demo",
        folder.at("new")
    ));
    assert!(words.contains("\"demo\""), "{words}");
    drop(Server::start(&data, ""));

    // A proxy that is trusted makes a loopback address public; and such a server makes no open app.
    let other = folder.at("other");
    let public = Server::start(&other, "--set proxies.trusted=127.0.0.1");
    let words = refuse(&format!("app create x --identity open --data {other}"));
    assert!(words.contains("--identity verified"), "{words}");
    succeed(&format!("app create x --data {other}"));
    drop(public);
    let allowed = Server::start(
        &other,
        "--set proxies.trusted=127.0.0.1 --set identity.allow_open_on_public_address=true",
    );
    succeed(&format!("app create y --identity open --data {other}"));
    drop(allowed);
}

#[test]
fn health_readiness_and_metrics() {
    let folder = Folder::new();
    let server = folder.serve("--set proxies.trusted=127.0.0.1 --set metrics.allow=10.1.0.0/16");
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
fn an_address_that_is_taken_is_said() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let words = refuse(&format!(
        "serve --data {} --listen {address} --set log.level=error",
        folder.data()
    ));
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
        let server = folder.serve("--demo");
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
        let apps = json(&succeed(&format!("app list --data {data} --json")));
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
