//! The way from the command line to a running server: `palaver.sock` in the data folder.
//!
//! One JSON object a line in each direction. Who may open the socket (mode 0600) may do everything.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::AsRawFd,
        unix::{
            fs::{DirBuilderExt, PermissionsExt},
            net::UnixStream,
        },
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    sync::Semaphore,
    task,
    time::timeout,
};

use super::{Answer, Denied, Desk, Request};

/// The socket's name in the data folder.
const NAME: &str = "palaver.sock";
/// Longest line, in bytes: an app's public keys as a JSON string, and some more.
const MAX_LINE: u64 = 256 * 1024;
/// How long the rest of a request may take once a client has connected.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// How long the server may take to carry a request out; a backup copies the whole database.
const ANSWER_WITHIN: Duration = Duration::from_hours(1);
/// Clients that are served at the same time.
const MAX_CLIENTS: usize = 8;
/// How long a server that holds the folder may take until it listens.
const START_WITHIN: Duration = Duration::from_secs(5);
/// Longest path that a socket address can hold, on any system that we run on.
const MAX_PATH: usize = 100;

/// The socket of a running server. Dropping it takes its name out of the folder.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Makes the socket. The caller holds the data folder, so one that is there is left over.
    /// Within a tokio runtime.
    pub fn bind(data: &Path) -> io::Result<Self> {
        let path = data.join(NAME);
        // Made in a folder of its own first: nobody can connect before the mode is set.
        let nest = data.join(".palaver.sock");
        if nest.exists() {
            fs::remove_dir_all(&nest)?;
        }
        fs::DirBuilder::new().mode(0o700).create(&nest)?;
        let made = nest.join("s");
        let (short, _folder) = shorten(&made)?;
        let listener = UnixListener::bind(short)?;
        fs::set_permissions(&made, fs::Permissions::from_mode(0o600))?;
        fs::rename(&made, &path)?;
        fs::remove_dir(&nest)?;
        Ok(Self { listener, path })
    }

    /// Serves clients until the future is dropped.
    pub async fn serve(self, desk: Arc<Desk>) {
        let room = Arc::new(Semaphore::new(MAX_CLIENTS));
        loop {
            let permit = Arc::clone(&room).acquire_owned().await;
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let desk = Arc::clone(&desk);
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, &desk).await {
                            tracing::debug!(%error, "a command-line client went away");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the operator's socket does not accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // What stays behind does no harm: nobody answers there.
        let _ = fs::remove_file(&self.path);
    }
}

async fn converse(stream: tokio::net::UnixStream, desk: &Arc<Desk>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reader).take(MAX_LINE);
        let reading = limited.read_until(b'\n', &mut line);
        if timeout(REQUEST_WITHIN, reading).await?? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => {
                let desk = Arc::clone(desk);
                task::spawn_blocking(move || desk.carry_out(&request)).await?
            }
            Err(error) => Answer::Refused {
                why: format!("the server does not understand this program: {error}"),
            },
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        timeout(REQUEST_WITHIN, writer.write_all(&line)).await??;
    }
}

/// The command line's end.
pub struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the server that runs on `data`; `None` if none does.
    pub fn connect(data: &Path) -> Result<Option<Self>, Denied> {
        let path = data.join(NAME);
        let unusable = |error: io::Error| Denied(format!("{}: {error}", path.display()));
        if !path.exists() {
            return Ok(None);
        }
        let (short, _folder) = shorten(&path).map_err(unusable)?;
        match UnixStream::connect(short) {
            Ok(stream) => {
                let times = [
                    stream.set_write_timeout(Some(REQUEST_WITHIN)),
                    stream.set_read_timeout(Some(ANSWER_WITHIN)),
                ];
                times
                    .into_iter()
                    .collect::<io::Result<()>>()
                    .map_err(unusable)?;
                Ok(Some(Self {
                    reader: BufReader::new(stream),
                }))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(unusable(error)),
            },
        }
    }

    /// Connects to a server that is just starting; `None` if it does not listen in time.
    pub fn wait(data: &Path) -> Result<Option<Self>, Denied> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            if let Some(client) = Self::connect(data)? {
                return Ok(Some(client));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, Denied> {
        self.exchange(request)
            .map_err(|error| Denied(format!("the server broke off: {error}")))
    }

    fn exchange(&mut self, request: &Request) -> io::Result<Answer> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.reader.get_mut().write_all(&line)?;
        let mut answer = String::new();
        let mut limited = (&mut self.reader).take(u64::MAX);
        limited.read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    }
}

/// A path that fits into a socket address: through the folder's handle if it is too long. The
/// handle must live as long as the path is used.
fn shorten(path: &Path) -> io::Result<(PathBuf, Option<fs::File>)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if path.as_os_str().len() <= MAX_PATH {
        return Ok((path.to_owned(), None));
    }
    let folder = fs::File::open(folder)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    Ok((short, Some(folder)))
}
