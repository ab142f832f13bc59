//! Starts the program, with and without a server, and looks at what it says.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// Within this, everything that is waited for here has happened, on a slow machine too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn palaver(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palaver"));
    command.args(arguments.split_whitespace());
    // What stands in the developer's environment is no part of the test.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PALAVER_") {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn run(arguments: &str) -> Output {
    palaver(arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs what must succeed and returns its output.
pub(crate) fn succeed(arguments: &str) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    assert_eq!(stderr(&output), "", "{arguments}");
    stdout(&output).to_owned()
}

/// Runs what must be refused and returns the reason, without the lines after the first.
pub(crate) fn refuse(arguments: &str) -> String {
    let output = run(arguments);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{arguments}: {}",
        stdout(&output)
    );
    assert_eq!(stdout(&output), "", "{arguments}");
    // A server may have logged something before.
    let words = stderr(&output)
        .lines()
        .find(|line| line.starts_with("palaver: "));
    words
        .unwrap_or_else(|| panic!("{arguments}: no reason in\n{}", stderr(&output)))
        .to_owned()
}

pub(crate) fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "one line of JSON: {text}");
    serde_json::from_str(text).unwrap()
}

pub(crate) struct Folder(pub(crate) TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn data(&self) -> String {
        self.at("data")
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn serve(&self, arguments: &str) -> Server {
        Server::start(&self.data(), arguments)
    }
}

/// A running server; killed when the test is over.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) lines: Receiver<String>,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(data: &str, arguments: &str) -> Self {
        let mut child = palaver(&format!(
            "serve --data {data} --listen 127.0.0.1:0 {arguments}"
        ))
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

    pub(crate) fn get(&self, path: &str, headers: &str) -> (u16, String) {
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

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        // Its output ends when it does.
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("the server did not end"),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
