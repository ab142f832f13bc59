//! The servers that take part, and how each is started on its core.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{load::Talk, scenario::Scenario};

/// How long a server may take to say where it listens.
const START_WITHIN: Duration = Duration::from_secs(20);
/// What each of them says then.
const LISTENING: &str = "listening on http://";

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Server {
    /// Palaver: durable, recoverable.
    Palaver,
    /// socketioxide, in memory.
    Oxide,
    /// The reference server on Node, in memory.
    Node,
    /// The reference server over Bun's engine, in memory.
    Bun,
    /// A server that only writes.
    Floor,
}

/// Where things are.
pub(crate) struct Places {
    /// The binary to measure.
    pub(crate) palaver: PathBuf,
    /// This folder, `bench`.
    pub(crate) bench: PathBuf,
    /// The other servers that are written in Rust.
    pub(crate) built: PathBuf,
    /// A folder that is emptied for every run.
    pub(crate) work: PathBuf,
}

/// A server that runs. It is ended when this is dropped.
pub(crate) struct Running {
    child: Child,
    /// ADDR:PORT.
    pub(crate) at: String,
    /// A key for administration, where it has such keys.
    pub(crate) key: String,
}

impl Server {
    pub(crate) const ALL: [Self; 5] = [
        Self::Palaver,
        Self::Oxide,
        Self::Node,
        Self::Bun,
        Self::Floor,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Palaver => "Palaver",
            Self::Oxide => "socketioxide",
            Self::Node => "Node socket.io",
            Self::Bun => "Bun engine",
            Self::Floor => "floor",
        }
    }

    /// Which words it is spoken to in, for the load client's command line.
    pub(crate) fn talk(self, scenario: Scenario) -> &'static str {
        let talk = match (self, scenario) {
            (Self::Palaver, Scenario::Room | Scenario::Rooms) => Talk::Stream,
            (Self::Palaver, _) => Talk::Direct,
            _ => Talk::Rooms,
        };
        match talk {
            Talk::Direct => "direct",
            Talk::Rooms => "rooms",
            Talk::Stream => "stream",
        }
    }

    /// Whether it collects its garbage when it is sent SIGUSR2.
    pub(crate) fn collects(self) -> bool {
        matches!(self, Self::Node | Self::Bun)
    }

    /// Starts it on this core. Palaver gets an empty database.
    pub(crate) fn start(self, places: &Places, core: usize) -> Result<Running, String> {
        if places.work.exists() {
            fs::remove_dir_all(&places.work).map_err(|error| error.to_string())?;
        }
        fs::create_dir_all(&places.work).map_err(|error| error.to_string())?;
        let (program, key) = self.program(places)?;
        let log = places.work.join("log");
        let log_file = File::create(&log).map_err(|error| error.to_string())?;
        let mut child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .args(program)
            .env("NODE_ENV", "production")
            .current_dir(&places.work)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .map_err(|error| format!("taskset: {error}"))?;
        let out = child.stdout.take().map(BufReader::new);
        let mut running = Running {
            child,
            at: String::new(),
            key,
        };
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            // Goes on reading after that, so that the server never waits for it.
            for line in out
                .into_iter()
                .flat_map(BufRead::lines)
                .map_while(Result::ok)
            {
                if let Some(at) = line.strip_prefix(LISTENING) {
                    let _ = say.send(at.to_owned());
                }
            }
        });
        let Ok(at) = said.recv_timeout(START_WITHIN) else {
            let words = fs::read_to_string(log).unwrap_or_default();
            return Err(format!("it did not start: {}", words.trim()));
        };
        running.at = at;
        Ok(running)
    }

    /// Program and arguments, and a key for administration.
    fn program(self, places: &Places) -> Result<(Vec<String>, String), String> {
        let node = places.bench.join("node");
        let text = |path: &Path| path.display().to_string();
        let mut key = String::new();
        let program = match self {
            Self::Palaver => {
                let (palaver, data) = (text(&places.palaver), text(&places.work.join("data")));
                let made = Command::new(&palaver)
                    .args(["app", "create", "bench", "--identity", "open", "--default"])
                    .args(["--json", "--data", &data])
                    .output()
                    .map_err(|error| format!("{palaver}: {error}"))?;
                if !made.status.success() {
                    return Err(String::from_utf8_lossy(&made.stderr).into_owned());
                }
                let app: serde_json::Value = serde_json::from_slice(&made.stdout)
                    .map_err(|error| format!("{palaver}: {error}"))?;
                let made = app.get("server_key").and_then(serde_json::Value::as_str);
                made.ok_or("no server key was made")?.clone_into(&mut key);
                let mut serve = vec![palaver, "serve".to_owned()];
                for (name, value) in [
                    ("--data", data.as_str()),
                    ("--listen", "127.0.0.1:0"),
                    ("--set", "limits.events_per_second=0"),
                    ("--set", "limits.per_app_per_second=0"),
                ] {
                    serve.extend([name.to_owned(), value.to_owned()]);
                }
                serve
            }
            Self::Oxide => vec![text(&places.built.join("oxide"))],
            Self::Floor => vec![text(&places.built.join("floor"))],
            Self::Node => vec![
                "node".to_owned(),
                "--expose-gc".to_owned(),
                text(&node.join("node.mjs")),
            ],
            Self::Bun => vec![text(&bun(&node)?), text(&node.join("bun.mjs"))],
        };
        Ok((program, key))
    }
}

/// The binary that the package `bun` brings as an optional dependency for this platform. Its
/// installing script, which would put it elsewhere, is not run.
pub(crate) fn bun(node: &Path) -> Result<PathBuf, String> {
    let packages = node.join("node_modules/@oven");
    let found = fs::read_dir(&packages).ok().and_then(|packages| {
        let binaries = packages
            .flatten()
            .map(|package| package.path().join("bin/bun"));
        binaries.into_iter().find(|binary| {
            let version = Command::new(binary).arg("--version").output();
            version.is_ok_and(|version| version.status.success())
        })
    });
    found.ok_or_else(|| "npm installed no Bun that runs on this machine".to_owned())
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        // taskset becomes the program, in the same process.
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is not asked: nothing is read from it after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
