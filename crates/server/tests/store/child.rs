//! Test functions that run in a process of their own, which may be limited or killed.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

const FOLDER: &str = "PALAVER_TEST_FOLDER";
const MARK: &str = "child: ";
const PATIENCE: Duration = Duration::from_mins(1);
const DONE: &str = "done";

/// A process of this test program that runs one test function, and what it says.
pub(crate) struct Part {
    process: Child,
    said: mpsc::Receiver<String>,
}

impl Part {
    /// Starts the test function `name`, which then finds a [`folder`] and does the other part.
    /// Writing past a limit on the size of files is an error for it, not its end.
    pub(crate) fn start(name: &str, folder: &Path) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (teller, said) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, words)) = line.split_once(MARK) {
                    // Whoever listened may have gone away.
                    let _ = teller.send(words.to_owned());
                }
            }
        });
        Self { process, said }
    }

    /// The next thing that it says; `None` when it has ended.
    pub(crate) fn hear(&self) -> Option<String> {
        match self.said.recv_timeout(PATIENCE) {
            Ok(said) => Some(said),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the other process neither speaks nor ends"),
        }
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    /// Waits until it has come to its end, which it says with [`done`].
    pub(crate) fn succeeds(mut self) -> bool {
        let mut last = None;
        while let Some(said) = self.hear() {
            last = Some(said);
        }
        self.process.wait().unwrap().success() && last.as_deref() == Some(DONE)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may have ended; either way nothing is left of it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In the process that [`Part::start`] started: its folder. `None` when somebody else runs it.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// In that process: tells the one who started it.
pub(crate) fn tell(words: impl std::fmt::Display) {
    let mut out = std::io::stdout();
    writeln!(out, "{MARK}{words}").unwrap();
}

/// In that process: has come to its end.
pub(crate) fn done() {
    tell(DONE);
}

/// Tells people, past the test harness, which hides what passing tests print.
pub(crate) fn say_aloud(words: &str) {
    let mut out = std::io::stderr();
    writeln!(out, "{words}").unwrap();
}
