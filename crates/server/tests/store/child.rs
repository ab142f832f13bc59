//! Test functions that run in a process of their own, which may be limited or killed.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

const FOLDER: &str = "PALAVER_TEST_FOLDER";
const MARK: &str = "child: ";
const DONE: &str = "done";

/// A process of this test program that runs one test function, and what it says.
pub(crate) struct Part {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Part {
    /// Starts the ignored test function `name` on a folder. Writing past a limit on the size of
    /// files is an error for it, not its end.
    pub(crate) fn start(name: &str, folder: &Path) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                name,
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(FOLDER, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next thing that it says; `None` when it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.ok()?;
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.to_owned());
            }
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
