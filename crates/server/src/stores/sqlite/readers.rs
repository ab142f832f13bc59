//! The connections that read. A read takes one, or waits for one, sees all that it looks at as of one
//! moment, and holds no transaction after it.

use chat::Fault;
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::open::Place;

pub(super) struct Readers {
    place: Place,
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    idle: Vec<Connection>,
    /// How many more may be opened or are idle.
    free: usize,
}

impl Readers {
    pub(super) fn new(place: Place, most: usize) -> Self {
        let state = State {
            idle: Vec::new(),
            free: most.max(1),
        };
        Self {
            place,
            state: Mutex::new(state),
            returned: Condvar::new(),
        }
    }

    /// Runs one read. A connection on which a read failed is closed, not used again.
    pub(super) fn with<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        let turn = self.wait();
        let idle = self.state.lock().idle.pop();
        let result = idle
            .map_or_else(|| self.place.reader(), Ok)
            .and_then(|connection| {
                let moment = connection.unchecked_transaction()?;
                let found = read(&moment)?;
                drop(moment);
                self.state.lock().idle.push(connection);
                Ok(found)
            });
        drop(turn);
        result.map_err(|error| Fault::new(doing, error))
    }

    fn wait(&self) -> Turn<'_> {
        let mut state = self.state.lock();
        while state.free == 0 {
            self.returned.wait(&mut state);
        }
        state.free -= 1;
        Turn(self)
    }
}

/// Leave to read. Given back also when a read panics.
struct Turn<'a>(&'a Readers);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state.lock().free += 1;
        self.0.returned.notify_one();
    }
}
