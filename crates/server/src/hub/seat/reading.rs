//! Sockets that read what everybody may read, without saying who they are: of those an address has a
//! few at once. Who stops reading, or goes, makes room; who comes back needs a place like all others.

use std::{net::IpAddr, sync::Arc};

use chat::{Command, Refusal};
use dialects::{Dialect, Request};

use super::Seat;
use crate::{
    hub::{admission::Admitted, session::Session},
    listen,
};

/// The places of readers, by address.
pub(in crate::hub) struct Readers {
    /// `None` for no limit.
    seats: Option<Arc<listen::Seats>>,
    limit: usize,
}

impl Readers {
    /// So many from one address; 0 is no limit.
    pub(in crate::hub) fn new(limit: usize) -> Self {
        let seats = || Arc::new(listen::Seats::new(usize::MAX, limit));
        Self {
            seats: (limit > 0).then(seats),
            limit,
        }
    }

    /// A place for a session at an address, which it gives back with its socket. It may have one.
    fn seat(&self, session: &Session, ip: IpAddr) -> Result<(), Refusal> {
        let Some(seats) = &self.seats else {
            return Ok(());
        };
        let limit = self.limit;
        let is_seated = session.seat(ip, || seats.take(ip).ok());
        is_seated
            .then_some(())
            .ok_or(Refusal::TooManyReaders { limit })
    }

    /// The same for a session that somebody comes back to. Whoever speaks such a dialect counts,
    /// whatever it reads: what it asked for last may not be decided yet.
    pub(in crate::hub) fn seat_returning(
        &self,
        session: &Session,
        admitted: &Admitted,
        ip: IpAddr,
    ) -> Result<(), (&'static dyn Dialect, Refusal)> {
        let dialect = session
            .dialect()
            .filter(|dialect| dialect.is_read_by_anybody());
        match dialect {
            Some(dialect) if admitted.is_anonymous() => {
                self.seat(session, ip).map_err(|refusal| (dialect, refusal))
            }
            _ => Ok(()),
        }
    }
}

impl Seat {
    /// Refuses to let it listen where there is no place for it.
    pub(super) fn check_may_read(&self, request: &Request) -> Result<(), Refusal> {
        let is_join = matches!(request.command, Some(Command::Join { .. }));
        let dialect = self.voice.dialect;
        let counts =
            is_join && self.is_anonymous && dialect.is_some_and(Dialect::is_read_by_anybody);
        if counts {
            let session = &self.stream.socket.session;
            self.hub.readers.seat(session, self.ip)?;
        }
        Ok(())
    }

    /// Makes room if it has stopped reading.
    pub(super) fn look_whether_it_reads(&mut self) {
        if self.stream.take_ended() && !self.stream.reads() {
            let socket = &self.stream.socket;
            socket.session.unseat(socket);
        }
    }
}
