//! A file that came with an event: it is put on disk before the event goes on. The socket is not
//! read meanwhile, so nothing overtakes the event.
//!
//! `seat` begins and ends it; how files are kept is `media`'s.

use std::sync::Arc;

use chat::{Actor, Asker, Outcome, Refusal};
use dialects::{Request, Upload};
use tokio::{
    runtime::Handle,
    sync::oneshot::{self, error::TryRecvError},
};

use super::socket::Socket;
use crate::media::{Kept, MediaError, MediaStore, is_in_use};

/// An event whose file is on its way to disk.
pub(super) struct Storing {
    /// The id under which the client waits for an acknowledgement, if it does.
    pub(super) ack: Option<u64>,
    /// Who asks.
    pub(super) actor: Arc<Actor>,
    /// What for. The file's place is not in it yet.
    pub(super) request: Request,
    kept: oneshot::Receiver<Result<Kept, MediaError>>,
}

impl Storing {
    /// Begins to put a file on disk; wakes `socket` when that is done. If the event is given up
    /// before, the file goes.
    pub(super) fn begin(
        media: &Arc<MediaStore>,
        socket: &Arc<Socket>,
        (ack, actor, request): (Option<u64>, Arc<Actor>, Request),
        upload: Upload,
    ) -> Self {
        let (media, socket) = (Arc::clone(media), Arc::clone(socket));
        let (done, kept) = oneshot::channel();
        tokio::spawn(async move {
            let result = media.keep(upload.bytes, upload.title).await;
            // Nobody waits any longer where the connection has gone.
            let _ = done.send(result);
            socket.handle.wake();
        });
        Self {
            ack,
            actor,
            request,
            kept,
        }
    }

    /// The file, once it is on disk; `None` while it is not.
    pub(super) fn poll(&mut self) -> Option<Result<Kept, Refusal>> {
        Some(match self.kept.try_recv() {
            Ok(Ok(kept)) => Ok(kept),
            Ok(Err(MediaError::TooLarge { .. })) => Err(Refusal::Invalid {
                field: "file",
                must: "must not be longer than this server allows",
            }),
            Ok(Err(MediaError::NoSpace)) => Err(Refusal::Unavailable),
            Ok(Err(MediaError::Failed(fault))) => {
                tracing::error!(%fault, "a file is not kept");
                Err(Refusal::Unavailable)
            }
            Err(TryRecvError::Closed) => Err(Refusal::Unavailable),
            Err(TryRecvError::Empty) => return None,
        })
    }
}

/// Asks for a socket about a command with a file, which stays only if something refers to it then.
pub(super) struct WithFile {
    pub(super) socket: Arc<Socket>,
    pub(super) media: Arc<MediaStore>,
    pub(super) file: String,
    /// The one who answers is on a thread without it, and must not wait for a disk.
    pub(super) runtime: Handle,
}

impl Asker for WithFile {
    fn answered(&self, outcome: Outcome) {
        if !is_in_use(&outcome.result) {
            let _runtime = self.runtime.enter();
            self.media.discard(&self.file);
        }
        self.socket.answered(outcome);
    }

    fn wake(&self) {
        self.socket.wake();
    }

    fn lost(&self) {
        // Nobody can say whether it was stored; the janitor will find out.
        self.socket.lost();
    }
}
