//! A file that came with an event: it is kept before the event's command is submitted, and the socket
//! is not read meanwhile, so that its commands stay in order.

use std::sync::Arc;

use chat::{Actor, Refusal};
use dialects::Request;
use tokio::sync::oneshot;

use crate::{
    listen::Handle,
    media::{Kept, MediaError, MediaStore},
};

/// An event whose file is on its way to the disk.
pub(super) struct Uploading {
    pub(super) ack: Option<u64>,
    pub(super) actor: Arc<Actor>,
    pub(super) request: Request,
    answer: oneshot::Receiver<Result<Kept, MediaError>>,
}

impl Uploading {
    /// Begins to keep the file of a request. The connection is woken when that is done.
    ///
    /// # Errors
    /// The server keeps no files.
    pub(super) fn begin(
        media: Option<&Arc<MediaStore>>,
        handle: &Handle,
        ack: Option<u64>,
        actor: Arc<Actor>,
        mut request: Request,
    ) -> Result<Self, Refusal> {
        let media = Arc::clone(media.ok_or(Refusal::Unavailable)?);
        let (sender, answer) = oneshot::channel();
        if let Some(upload) = request.upload.take() {
            let handle = handle.clone();
            tokio::spawn(async move {
                // The client may have gone away meanwhile; then the file goes too.
                let _ = sender.send(media.keep(upload.bytes, upload.title).await);
                handle.wake();
            });
        }
        Ok(Self {
            ack,
            actor,
            request,
            answer,
        })
    }

    /// What came of it; `None` while it is not done.
    pub(super) fn poll(&mut self) -> Option<Result<Kept, Refusal>> {
        let kept = match self.answer.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => return None,
            Err(oneshot::error::TryRecvError::Closed) => return Some(Err(Refusal::Unavailable)),
            Ok(kept) => kept,
        };
        Some(kept.map_err(|error| match error {
            MediaError::TooLarge { limit } => Refusal::FileTooLarge { limit },
            MediaError::NoSpace => Refusal::Unavailable,
            MediaError::Failed(fault) => {
                tracing::error!(%fault, "a file was not kept");
                Refusal::Unavailable
            }
        }))
    }
}
